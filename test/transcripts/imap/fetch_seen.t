# RFC 9051 section 6.4.5: BODY[] sets \Seen and tells it; BODY.PEEK[] does not.
include three_messages
C: f0 FETCH 2 BODY.PEEK[TEXT]
S: * 2 FETCH (BODY[TEXT] {19}
S: Pears are yellow.
S: )
S: f0 OK {{.*}}
C: f1 FETCH 2 FLAGS
S: * 2 FETCH (FLAGS (\Flagged \Recent $work))
S: f1 OK {{.*}}
C: f2 FETCH 2 BODY[TEXT]
S: * 2 FETCH (FLAGS (\Flagged \Seen \Recent $work) BODY[TEXT] {19}
S: Pears are yellow.
S: )
S: f2 OK {{.*}}
C: f3 FETCH 2 FLAGS
S: * 2 FETCH (FLAGS (\Flagged \Seen \Recent $work))
S: f3 OK {{.*}}
