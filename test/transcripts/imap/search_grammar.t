# RFC 9051 section 6.4.4: what is no search key is BAD, and the connection goes on.
include three_messages
C: s0 SEARCH NOSUCH
S: s0 BAD {{.*}}
C: s1 SEARCH 
S: s1 BAD {{.*}}
C: s2 SEARCH (
S: s2 BAD {{.*}}
C: s3 SEARCH ALL)
S: s3 BAD {{.*}}
C: s4 SEARCH ()
S: s4 BAD {{.*}}
C: s5 SEARCH ALL ALL
S: * SEARCH 1 2 3
S: s5 OK {{.*}}
