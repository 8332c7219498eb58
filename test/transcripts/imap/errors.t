# What is no command, or not now, and the end of patience.
connect A
S: * OK {{.*}}
C: NOOP
S: NOOP BAD {{.*}}
C: (
S: * BAD {{.*}}
C: a
S: a BAD {{.*}}
C: a NONSENSE
S: a BAD Unknown command
C: a NOOP x
S: a BAD {{.*}}
S: * BYE Too many errors
S$
login B
C: a FETCH 1 FLAGS
S: a BAD Select a mailbox first
C: a SELECT Nowhere
S: a NO [NONEXISTENT] {{.*}}
C: a SELECT INBOX
S~ a OK [READ-WRITE] Selected
C: a FETCH 1 FLAGS
S: a BAD No such message number
C: a UID FETCH 1:* FLAGS
S: a OK No such messages
C: a SEARCH CHARSET KOI8-R TEXT x
S: a NO [BADCHARSET (US-ASCII UTF-8)] Unknown charset
C: a SELECT Nowhere
S: * OK [CLOSED] Deselected
S: a NO [NONEXISTENT] {{.*}}
C: a FETCH 1 FLAGS
S: a BAD Select a mailbox first
C: a DELETE INBOX
S: a NO [CANNOT] {{.*}}
C: a CREATE INBOX
S: a NO [ALREADYEXISTS] {{.*}}
C: a STARTTLS x
S: a BAD {{.*}}
