# RFC 9051 section 6.4.5: FAST is FLAGS, INTERNALDATE and RFC822.SIZE, and stands alone.
include three_messages
C: f0 FETCH 1 FAST
S: * 1 FETCH (FLAGS (\Seen \Recent) INTERNALDATE "02-Jan-2020 12:00:00 +0000" RFC822.SIZE ${length_M1})
S: f0 OK {{.*}}
C: f1 FETCH 1 (FAST)
S: f1 BAD {{.*}}
C: f2 FETCH 1 (UID FAST)
S: f2 BAD {{.*}}
