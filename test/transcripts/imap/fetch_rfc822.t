# RFC 3501 section 6.4.5: RFC822, RFC822.HEADER and RFC822.TEXT; the header alone sets no \Seen.
include three_messages
C: f0 FETCH 2 RFC822.HEADER
S: * 2 FETCH (RFC822.HEADER {{{.*}}}
S: Date: Fri, 03 Jan 2020 10:00:00 +0000
S: From: Carl <carl@example.net>
S: To: bob@example.test
S: Cc: dora@example.org
S: Subject: Second pears
S: X-Color: yellow
S: 
S: )
S: f0 OK {{.*}}
C: f1 FETCH 2 FLAGS
S: * 2 FETCH (FLAGS (\Flagged \Recent $work))
S: f1 OK {{.*}}
C: f2 FETCH 2 RFC822.TEXT
S: * 2 FETCH (FLAGS (\Flagged \Seen \Recent $work) RFC822.TEXT {19}
S: Pears are yellow.
S: )
S: f2 OK {{.*}}
