# RFC 5321 4.1.1.1: the extensions, once each, the last line without a hyphen.
connect A
S: 220 mail.example.test ESMTP postkasse
C: EHLO client.test
S: 250-mail.example.test
S: 250-PIPELINING
S: 250-ENHANCEDSTATUSCODES
S: 250-CHUNKING
S: 250-SIZE 52428800
S: 250-8BITMIME
S: 250-SMTPUTF8
S: 250-STARTTLS
S: 250 LIMITS RCPTMAX=50
C: HELO client.test
S: 250 mail.example.test
C: EHLO [IPv6:2001:db8::1]
S~ 250 LIMITS RCPTMAX=50
C: EHLO
S: 501 5.5.4 {{.*}}
C: EHLO two words
S: 501 5.5.4 {{.*}}
C: EHLO a;b
S: 501 5.5.4 {{.*}}
C: QUIT
S: 221 2.0.0 Bye
S$
