# RFC 6851 section 3: MOVE tells COPYUID before EXPUNGE.
include three_messages
C: a MOVE 1,3 Sent
S: * OK [COPYUID {{[0-9]+}} 1,3 1:2] {{.*}}
S: * 3 EXPUNGE
S: * 1 EXPUNGE
S~ a OK {{.*}}
C: b UID SEARCH ALL
S: * SEARCH 2
S: b OK {{.*}}
C: c STATUS Sent (MESSAGES UIDNEXT)
S: * STATUS Sent (MESSAGES 2 UIDNEXT 3)
S: c OK {{.*}}
