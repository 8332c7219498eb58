# RFC 4731 section 3.1: where nothing is found there is no MIN, MAX or ALL, and COUNT is 0.
include three_messages
C: s0 SEARCH RETURN (MIN MAX ALL COUNT) SUBJECT nosuch
S: * ESEARCH (TAG "s0") COUNT 0
S: s0 OK {{.*}}
C: s1 SEARCH RETURN (MIN) SUBJECT nosuch
S: * ESEARCH (TAG "s1")
S: s1 OK {{.*}}
C: s2 SEARCH RETURN (COUNT) SUBJECT nosuch
S: * ESEARCH (TAG "s2") COUNT 0
S: s2 OK {{.*}}
