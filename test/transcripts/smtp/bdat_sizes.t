# RFC 3030 section 2: chunks, the last one named, an empty one too.
connect A
S: 220 {{.*}}
C: EHLO client.test
S~ 250 LIMITS {{.*}}
C: MAIL FROM:<a@client.test>
S: 250 {{.*}}
C: RCPT TO:<${user}>
S: 250 {{.*}}
C: BDAT 12
C- Subject: x\r\n
S: 250 {{.*}}
C: BDAT 0 LAST
S: 250 2.0.0 {{.*}}
C: BDAT 3 LAST
C- abc
S: 503 5.5.1 {{.*}}
C: NOOP
S: 250 {{.*}}
