# A new keyword is announced before the first row that shows it, in every session, and the row comes once.
login A
login B
CA: a APPEND INBOX {3+}
CA: One
SA~ a OK {{.*}}
CA: b SELECT INBOX
SA~ b OK [READ-WRITE] Selected
CB: b SELECT INBOX
SB: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft)
SB: * OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft \*)] {{.*}}
SB~ b OK [READ-WRITE] Selected
CA: c STORE 1 +FLAGS ($brandnew)
SA: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft $brandnew)
SA: * OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft $brandnew \*)] {{.*}}
SA: * 1 FETCH (UID 1 FLAGS ({{.*}}$brandnew{{.*}}))
SA: c OK Stored
CA: d NOOP
SA: d OK Done
CB: c FETCH 1 FLAGS
SB: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft $brandnew)
SB: * OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft $brandnew \*)] {{.*}}
SB: * 1 FETCH (FLAGS ({{.*}}$brandnew{{.*}}))
SB: c OK Fetched
CB: d EXAMINE INBOX
SB: * OK [CLOSED] {{.*}}
SB: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft $brandnew)
SB: * OK [PERMANENTFLAGS ()] {{.*}}
SB~ d OK [READ-ONLY] Selected
