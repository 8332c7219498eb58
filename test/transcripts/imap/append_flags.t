# RFC 9051 section 6.3.12: flags and the internal date of APPEND, in any zone.
login A
C: a APPEND INBOX (\Seen \Draft Custom) "05-Feb-2021 08:30:00 +0530" {3+}
C: One
S: a OK [APPENDUID {{[0-9]+}} 1] {{.*}}
C: b SELECT INBOX
S~ b OK {{.*}}
C: c FETCH 1 (FLAGS INTERNALDATE)
S: * 1 FETCH (FLAGS ({{.*}}\Seen{{.*}}Custom{{.*}}) INTERNALDATE "05-Feb-2021 03:00:00 +0000")
S: c OK {{.*}}
C: d SEARCH DRAFT KEYWORD Custom
S: * SEARCH 1
S: d OK {{.*}}
