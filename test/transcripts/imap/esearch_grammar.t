# RFC 4731 section 3.1: an option that is none is BAD.
include three_messages
C: s0 SEARCH RETURN (NOSUCH) ALL
S: s0 BAD {{.*}}
C: s1 SEARCH RETURN ALL
S: s1 BAD {{.*}}
C: s2 SEARCH RETURN (MIN ALL
S: s2 BAD {{.*}}
C: s3 SEARCH RETURN (COUNT) CHARSET UTF-8 SEEN
S: * ESEARCH (TAG "s3") COUNT 1
S: s3 OK {{.*}}
