# RFC 3030 section 2: DATA after BDAT is out of order.
connect A
S: 220 {{.*}}
C: EHLO client.test
S~ 250 LIMITS {{.*}}
C: MAIL FROM:<a@client.test>
S: 250 {{.*}}
C: RCPT TO:<${user}>
S: 250 {{.*}}
C: BDAT 3
C- a\r\n
S: 250 {{.*}}
C: DATA
S: 503 5.5.1 {{.*}}
C: RSET
S: 250 {{.*}}
C: NOOP
S: 250 {{.*}}
