# RFC 5321 section 6.3: a message that has been through too many hosts is refused.
connect A
S: 220 {{.*}}
C: EHLO client.test
S~ 250 LIMITS {{.*}}
repeat hops 101 Received: x\r\n
C: MAIL FROM:<a@client.test>
S: 250 {{.*}}
C: RCPT TO:<${user}>
S: 250 {{.*}}
C: DATA
S: 354 {{.*}}
C- ${hops}
C:
C: loop
C: .
S: 554 5.4.6 {{.*}}
C: NOOP
S: 250 {{.*}}
