# What an APPEND holds goes with it, also when it is refused in the middle: the next one works (RFC 9051
# section 6.3.12; a literal where there is none is refused before it is sent).
login A
message M
Subject: given up

end
C: a APPEND INBOX {${length_M}}
S: + {{.*}}
C- ${M}
C:  {9999999}
S: a NO [TOOBIG] {{.*}}
C: b NOOP
S: b OK {{.*}}
C: c APPEND INBOX {${length_M}}
S: + {{.*}}
C- ${M}
C:
S: c OK [APPENDUID {{.*}}
C: d APPEND INBOX {${length_M}}
S: + {{.*}}
C- ${M}
C:  more
S: d BAD {{.*}}
C: e APPEND INBOX {${length_M}+}
C- ${M}
C:
S: e OK [APPENDUID {{.*}}
