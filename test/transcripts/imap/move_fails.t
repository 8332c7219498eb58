# RFC 6851 section 3: what cannot be moved stays.
include three_messages
C: a MOVE 1:3 Nosuch
S: a NO [TRYCREATE] {{.*}}
C: b UID MOVE 99 Sent
S: b OK {{.*}}
C: c MOVE 9 Sent
S: c BAD {{.*}}
C: d SEARCH ALL
S: * SEARCH 1 2 3
S: d OK {{.*}}
C: e EXAMINE INBOX
S~ e OK {{.*}}
C: f MOVE 1 Sent
S: f NO {{.*}}
