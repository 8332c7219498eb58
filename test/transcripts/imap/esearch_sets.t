# RFC 4731 section 3.1: ALL is a sequence set.
include three_messages
C: s0 SEARCH RETURN (ALL) OR SEEN DELETED
S: * ESEARCH (TAG "s0") ALL 1,3
S: s0 OK {{.*}}
C: s1 SEARCH RETURN (ALL) UNSEEN
S: * ESEARCH (TAG "s1") ALL 2:3
S: s1 OK {{.*}}
C: s2 SEARCH RETURN (ALL) FLAGGED
S: * ESEARCH (TAG "s2") ALL 2
S: s2 OK {{.*}}
