# RFC 3501 section 6.4.5: BODY without extension data, BODYSTRUCTURE with it.
include three_messages
C: f0 FETCH 1 BODY
S: * 1 FETCH (BODY ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 17 1))
S: f0 OK {{.*}}
C: f1 FETCH 1 BODYSTRUCTURE
S: * 1 FETCH (BODYSTRUCTURE ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 17 1 NIL NIL NIL NIL))
S: f1 OK {{.*}}
