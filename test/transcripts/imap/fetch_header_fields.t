# RFC 9051 section 6.4.5: the fields that were asked for, in the order of the message, whatever the case.
include three_messages
C: f0 FETCH 2 BODY.PEEK[HEADER.FIELDS (SUBJECT x-color)]
S: * 2 FETCH (BODY[HEADER.FIELDS (SUBJECT x-color)] {42}
S: Subject: Second pears
S: X-Color: yellow
S: 
S: )
S: f0 OK {{.*}}
C: f1 FETCH 2 BODY.PEEK[HEADER.FIELDS (Nosuch)]
S: * 2 FETCH (BODY[HEADER.FIELDS (Nosuch)] {2}
S: 
S: )
S: f1 OK {{.*}}
