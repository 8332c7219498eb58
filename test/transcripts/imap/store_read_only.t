# RFC 9051 section 6.3.3: after EXAMINE nothing can be changed.
include three_messages
C: a EXAMINE INBOX
S~ a OK [READ-ONLY] {{.*}}
C: b STORE 2 +FLAGS (\Seen)
S: b NO {{.*}}
C: c EXPUNGE
S: c NO {{.*}}
C: d FETCH 2 BODY[TEXT]
S: * 2 FETCH (BODY[TEXT] {19}
S: Pears are yellow.
S: )
S: d OK {{.*}}
C: e CLOSE
S: e OK {{.*}}
C: f STATUS INBOX (MESSAGES UNSEEN)
S: * STATUS INBOX (MESSAGES 3 UNSEEN 2)
S: f OK {{.*}}
