/* The small parts of the link: the address list, the memory of replies, the table of ids. */

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "crypto/secret.h"
#include "net/id_table.h"
#include "net/link_address.h"
#include "net/link_repeat.h"

static void address_test(void **state)
{
	(void)state;
	static const char *const list[] = {"10.1.2.3", "192.0.2.0/24",     "2001:db8::/32",
	                                   "::1",      "198.51.100.1/33",  "nonsense",
	                                   "",         "203.0.113.128/25", NULL};
	static const struct {
		const char *address;
		bool allowed;
	} cases[] = {
		{"10.1.2.3", true},
		{"10.1.2.4", false},
		{"192.0.2.255", true},
		{"192.0.3.0", false},
		{"2001:db8:1::9", true},
		{"2001:db9::", false},
		{"::1", true},
		{"::2", false},
		{"::ffff:10.1.2.3", true},
		{"::ffff:10.1.2.4", false},
		{"198.51.100.1", false},
		{"203.0.113.129", true},
		{"203.0.113.127", false},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sockaddr_storage storage = {0};
		struct sockaddr_in *four = (struct sockaddr_in *)&storage;
		struct sockaddr_in6 *six = (struct sockaddr_in6 *)&storage;
		storage.ss_family = AF_INET;
		if (inet_pton(AF_INET, cases[i].address, &four->sin_addr) != 1) {
			storage.ss_family = AF_INET6;
			assert_int_equal(inet_pton(AF_INET6, cases[i].address, &six->sin6_addr), 1);
		}
		if (link_address_allowed((struct sockaddr *)&storage, list) != cases[i].allowed)
			print_error("%s\n", cases[i].address);
		assert_int_equal(link_address_allowed((struct sockaddr *)&storage, list), cases[i].allowed);
		assert_false(link_address_allowed((struct sockaddr *)&storage, NULL));
	}
	const struct sockaddr unix_address = {.sa_family = AF_UNIX};
	assert_false(link_address_allowed(&unix_address, list));
}

static void repeat_test(void **state)
{
	(void)state;
	struct repeat_memory *memory = repeat_memory_new(4000, 1000);
	int owner;
	struct str text;
	struct errinfo info;
	assert_int_equal(crypto_init(&info), 0);
	struct buf body BUF_AUTO, secret BUF_AUTO;
	buf_init(&body, 100);
	buf_init(&secret, 100);
	struct repeat *one = repeat_begin(memory, "imap", STR("0123456789abcdef"), &owner);
	assert_ptr_equal(repeat_find(memory, "imap", STR("0123456789abcdef"), 0), one);
	assert_ptr_equal(repeat_owner(one), &owner);
	assert_null(repeat_find(memory, "smtp", STR("0123456789abcdef"), 0));
	repeat_finish(memory, one, E_QUOTA, STR("over"), STR("body"), false, 100);
	one = repeat_find(memory, "imap", STR("0123456789abcdef"), 1100);
	assert_null(repeat_owner(one));
	assert_int_equal(repeat_reply(memory, one, &text, &body), E_QUOTA);
	assert_true(str_eq(text, STR("over")) && str_eq(buf_str(&body), STR("body")) && !body.secret);
	/* A secret comes out as it went in, as often as it is asked for. */
	struct repeat *hidden = repeat_begin(memory, "cli", STR("secret"), &owner);
	repeat_finish(memory, hidden, 0, STR(""), STR("password"), true, 100);
	for (int i = 0; i < 2; i++) {
		buf_clear(&secret);
		assert_int_equal(repeat_reply(memory, hidden, &text, &secret), 0);
		assert_true(str_eq(buf_str(&secret), STR("password")) && secret.secret && text.len == 0);
	}
	/* Too old. */
	assert_null(repeat_find(memory, "imap", STR("0123456789abcdef"), 1101));
	/* Too many bytes: the oldest go, one under way stays. */
	char bytes[1500] = "";
	struct repeat *running = repeat_begin(memory, "imap", STR("running"), &owner);
	for (int i = 0; i < 5; i++) {
		char id = (char)('a' + i);
		struct repeat *next = repeat_begin(memory, "imap", STR_OF(&id, 1), &owner);
		repeat_finish(memory, next, 0, STR(""), STR_OF(bytes, sizeof(bytes)), false, 2000 + i);
	}
	assert_null(repeat_find(memory, "imap", STR("a"), 2000));
	assert_null(repeat_find(memory, "imap", STR("c"), 2000));
	assert_non_null(repeat_find(memory, "imap", STR("e"), 2000));
	assert_ptr_equal(repeat_find(memory, "imap", STR("running"), 2000), running);
	repeat_memory_free(memory);
}

static void id_table_test(void **state)
{
	(void)state;
	enum { COUNT = 5000 };
	struct id_table table = {0};
	struct id_node *nodes = mem_new_array(COUNT, sizeof(*nodes));
	assert_null(id_table_get(&table, 5));
	for (uint64_t i = 0; i < COUNT; i++) {
		nodes[i].id = i * i * 64; /* many in one slot */
		id_table_put(&table, &nodes[i]);
	}
	for (uint64_t i = 0; i < COUNT; i += 2)
		id_table_remove(&table, &nodes[i]);
	id_table_remove(&table, &nodes[0]);
	assert_int_equal(table.count, COUNT / 2);
	for (uint64_t i = 0; i < COUNT; i++)
		assert_ptr_equal(id_table_get(&table, i * i * 64), i % 2 == 0 ? NULL : &nodes[i]);
	id_table_done(&table);
	free(nodes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(address_test),
		cmocka_unit_test(repeat_test),
		cmocka_unit_test(id_table_test),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
