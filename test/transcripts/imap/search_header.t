# RFC 9051 section 6.4.4: HEADER with a field; an empty string: the field is there.
include three_messages
C: s0 SEARCH HEADER X-Color yellow
S: * SEARCH 2
S: s0 OK {{.*}}
C: s1 SEARCH HEADER x-color YELL
S: * SEARCH 2
S: s1 OK {{.*}}
C: s2 SEARCH HEADER X-Color ""
S: * SEARCH 2
S: s2 OK {{.*}}
C: s3 SEARCH HEADER X-Other ""
S: * SEARCH
S: s3 OK {{.*}}
C: s4 SEARCH HEADER Subject pears
S: * SEARCH 2 3
S: s4 OK {{.*}}
C: s5 SEARCH HEADER X-Color
S: s5 BAD {{.*}}
