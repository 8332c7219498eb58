# RFC 4731 section 3.1: UID SEARCH says so.
include three_messages
C: s0 UID SEARCH RETURN (MIN COUNT) UNSEEN
S: * ESEARCH (TAG "s0") UID MIN 2 COUNT 2
S: s0 OK {{.*}}
C: s1 UID SEARCH RETURN (ALL) ALL
S: * ESEARCH (TAG "s1") UID ALL 1:3
S: s1 OK {{.*}}
