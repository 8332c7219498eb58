# RFC 9051 section 6.4.3: numbers fall as they are told.
include three_messages
C: a STORE 1:2 +FLAGS.SILENT (\Deleted)
S: a OK {{.*}}
C: b EXPUNGE
S: * 3 EXPUNGE
S: * 2 EXPUNGE
S: * 1 EXPUNGE
S~ b OK {{.*}}
C: c FETCH 1 UID
S: c BAD {{.*}}
C: d EXPUNGE
S: d OK {{.*}}
