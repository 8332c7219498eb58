# CVE-2011-0411: what comes in clear behind STARTTLS is not read as if it had come in TLS.
connect A
S: * OK {{.*}}
C- a STARTTLS\r\nb NOOP\r\n
S: a OK {{.*}}
starttls A
C: c NOOP
S: c OK Done
