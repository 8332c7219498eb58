# RFC 3501 section 6.4.5: BODY of nested parts. A type that is told without a charset has none; lines are ends
# of lines.
include one_of_parts
C: f0 FETCH 1 BODY
S: * 1 FETCH (BODY (("text" "plain" ("charset" "utf-8") NIL NIL "7bit" 3 0)(("text" "plain" NIL NIL NIL "7bit" 3 0)("text" "html" NIL NIL NIL "7bit" 10 0) "alternative")("message" "rfc822" NIL NIL NIL "7bit" 48 (NIL "inner" ((NIL NIL "inner" "example.org")) ((NIL NIL "inner" "example.org")) ((NIL NIL "inner" "example.org")) NIL NIL NIL NIL NIL) ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 5 0) 3) "mixed"))
S: f0 OK {{.*}}
