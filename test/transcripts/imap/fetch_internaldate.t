# RFC 9051 section 6.4.5: INTERNALDATE is what APPEND gave.
include three_messages
C: f0 FETCH 1 INTERNALDATE
S: * 1 FETCH (INTERNALDATE "02-Jan-2020 12:00:00 +0000")
S: f0 OK {{.*}}
