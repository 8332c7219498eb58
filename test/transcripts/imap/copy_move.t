login A
C: a SELECT INBOX
S~ a OK [READ-WRITE] Selected
C: b1 APPEND INBOX {3+}
C: One
S~ b1 OK [APPENDUID {{validity=[0-9]+}} 1] Appended
C: b2 APPEND INBOX (\Flagged) {3+}
C: Two
S~ b2 OK [APPENDUID ${validity} 2] Appended
C: b3 APPEND INBOX {5+}
C: Three
S~ b3 OK [APPENDUID ${validity} 3] Appended
C: c COPY 1:2 Trash
S: c OK [COPYUID {{trash=[0-9]+}} 1:2 1:2] Copied
C: d UID MOVE 2 Trash
S: * OK [COPYUID ${trash} 2 3] Moved
S: * 2 EXPUNGE
S: * 2 RECENT
S: d OK Moved
C: e MOVE 1:* Nowhere
S: e NO [TRYCREATE] {{.*}}
C: f UID COPY 77 Trash
S: f OK No such messages
C: g UID SEARCH ALL
S: * SEARCH 1 3
S: g OK Searched
C: h STORE 1 +FLAGS.SILENT (\Deleted)
S: h OK Stored
C: i UID EXPUNGE 3
S: i OK Expunged
C: j UID EXPUNGE 1
S: * 1 EXPUNGE
S~ j OK Expunged
C: k EXAMINE Trash
S~ * OK [PERMANENTFLAGS ()] Read-only
S~ k OK [READ-ONLY] Selected
C: l FETCH 1:* (UID FLAGS)
S: * 1 FETCH (UID 1 FLAGS ({{.*}}))
S: * 2 FETCH (UID 2 FLAGS (\Flagged{{.*}}))
S: * 3 FETCH (UID 3 FLAGS (\Flagged{{.*}}))
S: l OK Fetched
C: m STORE 1 FLAGS ()
S: m NO [READ-ONLY] {{.*}}
C: n FETCH 1 BODY[]
S: * 1 FETCH (BODY[] {3}
S: One)
S: n OK Fetched
C: o CLOSE
S: o OK Deselected
