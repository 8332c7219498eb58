# RFC 4731 section 3.1: each result option alone.
include three_messages
C: s0 SEARCH RETURN (MIN) ALL
S: * ESEARCH (TAG "s0") MIN 1
S: s0 OK {{.*}}
C: s1 SEARCH RETURN (MAX) ALL
S: * ESEARCH (TAG "s1") MAX 3
S: s1 OK {{.*}}
C: s2 SEARCH RETURN (COUNT) ALL
S: * ESEARCH (TAG "s2") COUNT 3
S: s2 OK {{.*}}
C: s3 SEARCH RETURN (ALL) ALL
S: * ESEARCH (TAG "s3") ALL 1:3
S: s3 OK {{.*}}
C: s4 SEARCH RETURN () ALL
S: * ESEARCH (TAG "s4") ALL 1:3
S: s4 OK {{.*}}
