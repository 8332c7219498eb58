# RFC 4616 section 2 and RFC 4959: PLAIN with and without an initial response.
connect A
S: * OK {{.*}}
C: a AUTHENTICATE PLAIN
S: +{{ ?}}
C: ${plain}
S: a OK {{.*}}
connect B
S: * OK {{.*}}
C: a AUTHENTICATE PLAIN ${plain}
S: a OK {{.*}}
connect D
S: * OK {{.*}}
C: a AUTHENTICATE plain ${plain}
S: a OK {{.*}}
