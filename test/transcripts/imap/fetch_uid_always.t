# RFC 9051 section 6.4.9: UID FETCH tells the UID, asked for or not.
include three_messages
C: a UID FETCH 2 FLAGS
S: * 2 FETCH (UID 2 FLAGS (\Flagged \Recent $work))
S: a OK {{.*}}
C: b UID FETCH 2 (UID FLAGS)
S: * 2 FETCH (UID 2 FLAGS (\Flagged \Recent $work))
S: b OK {{.*}}
