# RFC 5321 section 4.1.2: what is no path.
connect A
S: 220 {{.*}}
C: EHLO client.test
S~ 250 LIMITS {{.*}}
C: MAIL FROM:<a@>
S: {{(501|553|555) 5\..*}}
C: MAIL FROM:<@client.test>
S: {{(501|553|555) 5\..*}}
C: MAIL FROM:<a@@client.test>
S: {{(501|553|555) 5\..*}}
C: MAIL FROM:<a b@client.test>
S: {{(501|553|555) 5\..*}}
C: MAIL FROM:<a@client..test>
S: {{(501|553|555) 5\..*}}
C: MAIL FROM:<a@[300.1.1.1]>
S: {{(501|553|555) 5\..*}}
C: MAIL FROM:<a@client.test
S: {{(501|553|555) 5\..*}}
