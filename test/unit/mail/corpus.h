#ifndef POSTKASSE_TEST_MAIL_CORPUS_H
#define POSTKASSE_TEST_MAIL_CORPUS_H

/* Messages that break things, each with what the tree of parts must be: one word a part, preorder,
 * "depth:type/subtype:body size". */

#include <stdbool.h>
#include <stddef.h>

struct corpus_message {
	const char *name;
	const char *raw;
	size_t len;
	const char *tree;
	bool damaged;
};

#define MESSAGE(name_, raw_, tree_, damaged_)          \
	{                                                  \
		name_, raw_, sizeof(raw_) - 1, tree_, damaged_ \
	}

/* clang-format off */
static const struct corpus_message corpus[] = {
	MESSAGE("empty", "", "0:text/plain:0", false),
	MESSAGE("blank line only", "\r\n", "0:text/plain:0", false),
	MESSAGE("plain", "Subject: x\r\n\r\nbody\r\n", "0:text/plain:6", false),
	MESSAGE("no body", "Subject: x\r\n", "0:text/plain:0", false),
	MESSAGE("no line end", "Subject: x", "0:text/plain:0", false),
	MESSAGE("bare LF", "Subject: x\n\nbody\n", "0:text/plain:5", false),
	MESSAGE("bare CR is no line end", "Subject: x\r\rbody\r", "0:text/plain:0", false),
	MESSAGE("garbage", "\0\xff\xfe\0\x01", "0:text/plain:0", false),
	MESSAGE("NUL in header and body",
		"Subject: a\0b\r\nContent-Type: text/plain\0\r\n\r\nbo\0dy\r\n", "0:text/plain:7", false),
	MESSAGE("two parts",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
		"preamble\r\n--b\r\n\r\none\r\n--b\r\nContent-Type: image/png\r\n\r\ntwo\r\n--b--\r\nepilogue\r\n",
		"0:multipart/mixed:76 1:text/plain:3 1:image/png:3", false),
	MESSAGE("two parts, bare LF",
		"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n--b--\n",
		"0:multipart/mixed:24 1:text/plain:3 1:text/plain:3", false),
	MESSAGE("final boundary missing",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\n\r\ntwo",
		"0:multipart/mixed:22 1:text/plain:3 1:text/plain:3", true),
	MESSAGE("final boundary without line end",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b--",
		"0:multipart/mixed:17 1:text/plain:3", false),
	MESSAGE("no boundary parameter",
		"Content-Type: multipart/mixed\r\n\r\n--b\r\n\r\none\r\n--b--\r\n", "0:text/plain:19", true),
	MESSAGE("empty boundary",
		"Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n\r\none\r\n----\r\n",
		"0:text/plain:17", true),
	MESSAGE("boundary of blanks",
		"Content-Type: multipart/mixed; boundary=\"  \"\r\n\r\n--  \r\n\r\none\r\n",
		"0:text/plain:13", true),
	MESSAGE("boundary by RFC 2231",
		"Content-Type: multipart/mixed; boundary*=us-ascii''ab%20cd\r\n\r\n--ab cd\r\n\r\none\r\n"
		"--ab cd--\r\n", "0:multipart/mixed:27 1:text/plain:3", false),
	MESSAGE("boundary in continuations",
		"Content-Type: multipart/mixed; boundary*0*=utf-8''ab; boundary*1*=c%64\r\n\r\n--abcd\r\n\r\none\r\n"
		"--abcd--\r\n", "0:multipart/mixed:25 1:text/plain:3", false),
	MESSAGE("boundary never comes",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\nbody\r\n", "0:text/plain:6", true),
	MESSAGE("only the final boundary",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b--\r\n", "0:text/plain:7", false),
	MESSAGE("boundary that begins another",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
		"--b\r\n\r\n--bb\r\n--b-\r\n--b--x\r\n --b\r\n-b\r\n--b--\r\n",
		"0:multipart/mixed:44 1:text/plain:28", false),
	MESSAGE("blanks behind boundaries",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b \t\r\n\r\none\r\n--b-- \r\n",
		"0:multipart/mixed:22 1:text/plain:3", false),
	MESSAGE("boundary in quotes with blanks and escapes",
		"Content-Type: multipart/mixed; boundary=\"a \\\"b\"\r\n\r\n--a \"b\r\n\r\none\r\n--a \"b--\r\n",
		"0:multipart/mixed:25 1:text/plain:3", false),
	MESSAGE("empty parts",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n--b\r\n\r\n--b\r\n\r\n\r\n--b--\r\n",
		"0:multipart/mixed:28 1:text/plain:0 1:text/plain:0 1:text/plain:0", false),
	MESSAGE("header ended by a boundary",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: image/png\r\n--b--\r\n",
		"0:multipart/mixed:37 1:image/png:0", false),
	MESSAGE("multipart in a header ended by a boundary",
		"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n"
		"Content-Type: multipart/mixed; boundary=b\r\n--a--\r\n",
		"0:multipart/mixed:55 1:text/plain:0", true),
	MESSAGE("message in a header ended by a boundary",
		"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: message/rfc822\r\n--a--\r\n",
		"0:multipart/mixed:42 1:message/rfc822:0 2:text/plain:0", false),
	MESSAGE("nested",
		"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n"
		"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\n1\r\n--b\r\n\r\n2\r\n--b--\r\n"
		"\r\n--a\r\n\r\n3\r\n--a--\r\n",
		"0:multipart/mixed:102 1:multipart/alternative:27 2:text/plain:1 2:text/plain:1 1:text/plain:1",
		false),
	MESSAGE("inner multipart cut off by the outer boundary",
		"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n"
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n1\r\n--a\r\n\r\n2\r\n--a--\r\n",
		"0:multipart/mixed:77 1:multipart/mixed:8 2:text/plain:1 1:text/plain:1", true),
	MESSAGE("inner multipart cut off right after its boundary",
		"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n"
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n--a--\r\n",
		"0:multipart/mixed:62 1:multipart/mixed:5 2:text/plain:0", true),
	MESSAGE("both have the same boundary",
		"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n"
		"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\n1\r\n--a--\r\n--a\r\n\r\n2\r\n--a--\r\n",
		"0:multipart/mixed:84 1:multipart/mixed:15 2:text/plain:1 1:text/plain:1", false),
	MESSAGE("after the final boundary nothing opens again",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n1\r\n--b--\r\n--b\r\n\r\n2\r\n",
		"0:multipart/mixed:27 1:text/plain:1", false),
	MESSAGE("message in message",
		"Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nbody\r\n",
		"0:message/rfc822:21 1:text/plain:6", false),
	MESSAGE("empty message in message",
		"Content-Type: message/rfc822\r\n\r\n", "0:message/rfc822:0 1:text/plain:0", false),
	MESSAGE("header of a message in message without end",
		"Content-Type: message/rfc822\r\n", "0:message/rfc822:0 1:text/plain:0", false),
	MESSAGE("message/global, no case",
		"Content-Type: MESSAGE/Global\r\n\r\nSubject: in\r\n\r\nbody\r\n",
		"0:message/global:21 1:text/plain:6", false),
	MESSAGE("message in base64",
		"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3Vi\r\n",
		"0:application/octet-stream:6", true),
	MESSAGE("digest",
		"Content-Type: multipart/digest; boundary=b\r\n\r\n"
		"--b\r\n\r\nSubject: 1\r\n\r\none\r\n--b\r\nContent-Type: text/plain\r\n\r\ntwo\r\n--b--\r\n",
		"0:multipart/digest:71 1:message/rfc822:17 2:text/plain:3 1:text/plain:3", false),
	MESSAGE("multipart in message in multipart",
		"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: message/rfc822\r\n\r\n"
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n1\r\n--b--\r\n--a--\r\n",
		"0:multipart/mixed:106 1:message/rfc822:60 2:multipart/mixed:15 3:text/plain:1", false),
	MESSAGE("Content-Type twice: the first counts",
		"Content-Type: text/html\r\nContent-Type: image/png\r\n\r\nx", "0:text/html:1", false),
	MESSAGE("malformed Content-Type", "Content-Type: ???\r\n\r\nx", "0:text/plain:1", false),
	MESSAGE("Content-Type in folds and comments",
		"Content-Type:\r\n (x)\r\n image\r\n /\r\n png\r\n\r\nx", "0:image/png:1", false),
	MESSAGE("boundary of 256 bytes at most",
		"Content-Type: multipart/mixed; boundary="
		"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
		"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
		"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
		"\r\n\r\nx", "0:text/plain:1", true),
};
/* clang-format on */

#undef MESSAGE

#endif
