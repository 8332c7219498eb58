# What a client shows is found: a folded field, blanks, addresses whose syntax hides them, character sets.
message A
From: user-from@
 domain.test
Subject: [list] Close message file after parsing
	headers

x
end
message B
From: "user-from"@domain.test
Subject: =?ISO-2022-JP?B?GyRCMnE1RCROGyhC?=
 =?ISO-2022-JP?B?GyRCJCpDTiRpJDsbKEI=?=

two  blanks
end
message C
From: A <user-from @ domain.test>
Subject: =?euc-kr?B?yLjAxyCMY7nmsKLHzw==?=

x
end
message D
From: A <user-from@(c)domain.test>
Subject: four
To: other@domain.test
Content-Type: multipart/mixed; boundary*=us-ascii''ab%20cd

--ab cd
Content-Type: text/plain; charset=x-gbk
Content-Transfer-Encoding: base64

u+HS6elG
--ab cd
Content-Type: application/pdf; name="bill.pdf"

x
--ab cd--
end
login A
C: a SELECT INBOX
S~ a OK [READ-WRITE] Selected
C: b APPEND INBOX {${length_A}+}
C- ${A}\r\n
S~ b OK {{.*}} Appended
C: c APPEND INBOX {${length_B}+}
C- ${B}\r\n
S~ c OK {{.*}} Appended
C: d APPEND INBOX {${length_C}+}
C- ${C}\r\n
S~ d OK {{.*}} Appended
C: e APPEND INBOX {${length_D}+}
C- ${D}\r\n
S~ e OK {{.*}} Appended
C: f SEARCH SUBJECT "parsing headers"
S: * SEARCH 1
S: f OK Searched
C: g SEARCH SUBJECT "after  parsing" TEXT "file after parsing headers"
S: * SEARCH 1
S: g OK Searched
C: h SEARCH FROM user-from@domain.test
S: * SEARCH 1 2 3 4
S: h OK Searched
C: i SEARCH FROM "A <user-from@domain.test>"
S: * SEARCH 3 4
S: i OK Searched
C: j SEARCH TO user-from@domain.test
S: * SEARCH
S: j OK Searched
C: k SEARCH CHARSET UTF-8 SUBJECT {21+}
C: 会議のお知らせ
S: * SEARCH 2
S: k OK Searched
C: l SEARCH BODY "two blanks"
S: * SEARCH 2
S: l OK Searched
C: m SEARCH CHARSET UTF-8 TEXT {12+}
C: 똠방각하
S: * SEARCH 3
S: m OK Searched
C: n SEARCH CHARSET UTF-8 BODY {9+}
C: 会议镕
S: * SEARCH 4
S: n OK Searched
C: o SEARCH TEXT bill.pdf
S: * SEARCH 4
S: o OK Searched
