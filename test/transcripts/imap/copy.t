# RFC 9051 section 6.4.7: COPY keeps flags, keywords and internal date; COPYUID names both sides (RFC 4315
# section 3).
include three_messages
C: a COPY 1:2 Sent
S: a OK [COPYUID {{[0-9]+}} 1:2 1:2] {{.*}}
C: b SELECT Sent
S~ b OK {{.*}}
C: c FETCH 1:2 (FLAGS INTERNALDATE)
S: * 1 FETCH (FLAGS (\Seen \Recent) INTERNALDATE "02-Jan-2020 12:00:00 +0000")
S: * 2 FETCH (FLAGS (\Flagged \Recent $work) INTERNALDATE "04-Jan-2020 12:00:00 +0000")
S: c OK {{.*}}
