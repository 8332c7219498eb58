# RFC 9051 section 6.4.5: HEADER.FIELDS.NOT gives the others.
include three_messages
C: f0 FETCH 2 BODY.PEEK[HEADER.FIELDS.NOT (Date From To Cc)]
S: * 2 FETCH (BODY[HEADER.FIELDS.NOT (Date From To Cc)] {42}
S: Subject: Second pears
S: X-Color: yellow
S: 
S: )
S: f0 OK {{.*}}
