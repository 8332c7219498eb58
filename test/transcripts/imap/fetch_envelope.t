# RFC 9051 section 6.4.5: ENVELOPE in the order of section 7.5.2.
include three_messages
C: f0 FETCH 2 ENVELOPE
S: * 2 FETCH (ENVELOPE ("Fri, 03 Jan 2020 10:00:00 +0000" "Second pears" (("Carl" NIL "carl" "example.net")) (("Carl" NIL "carl" "example.net")) (("Carl" NIL "carl" "example.net")) ((NIL NIL "bob" "example.test")) ((NIL NIL "dora" "example.org")) NIL NIL NIL))
S: f0 OK {{.*}}
