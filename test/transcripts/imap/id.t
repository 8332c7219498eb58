# RFC 2971 section 3.1: NIL or a list of pairs, before and after login.
connect A
S: * OK {{.*}}
C: a ID NIL
S: * ID {{\(.*\)|NIL}}
S: a OK {{.*}}
C: b ID ("name" "client" "version" NIL)
S: * ID {{\(.*\)|NIL}}
S: b OK {{.*}}
C: c ID ("name")
S: c BAD {{.*}}
C: d ID
S: d BAD {{.*}}
C: e ID ()
S: * ID {{\(.*\)|NIL}}
S: e OK {{.*}}
C: f LOGIN ${user} ${password}
S: f OK {{.*}}
C: g ID NIL
S: * ID {{\(.*\)|NIL}}
S: g OK {{.*}}
