# RFC 9051 section 6.4.4: UTF-8 and US-ASCII are taken, another one is told which are.
include three_messages
C: s0 SEARCH CHARSET UTF-8 SUBJECT apples
S: * SEARCH 1 3
S: s0 OK {{.*}}
C: s1 SEARCH CHARSET us-ascii SUBJECT apples
S: * SEARCH 1 3
S: s1 OK {{.*}}
C: s2 SEARCH CHARSET X-NONE SUBJECT apples
S: s2 NO [BADCHARSET (US-ASCII UTF-8)] {{.*}}
C: s3 SEARCH CHARSET UTF-8
S: s3 BAD {{.*}}
