# RFC 9051 section 6.4.5: HEADER ends with the empty line.
include three_messages
C: f0 FETCH 1 BODY.PEEK[HEADER]
S: * 1 FETCH (BODY[HEADER] {{{.*}}}
S: Date: Wed, 01 Jan 2020 10:00:00 +0000
S: From: Anna <anna@example.org>
S: To: bob@example.test
S: Subject: First apples
S: 
S: )
S: f0 OK {{.*}}
