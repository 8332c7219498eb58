# RFC 9051 section 6.4.5: TEXT is what follows the header.
include three_messages
C: f0 FETCH 1 BODY.PEEK[TEXT]
S: * 1 FETCH (BODY[TEXT] {17}
S: Apples are red.
S: )
S: f0 OK {{.*}}
