/*
 * What the store reads of a link peer and of its own files: requests of every method with the checks
 * that stand before anything is done with them, base64 bodies, compressed frames. The first byte
 * chooses.
 */

#include <stdlib.h>

#include "base/mem.h"
#include "base/must.h"
#include "net/link.h"
#include "store.pb-c.h"
#include "store/check.h"
#include "store/folder.h"
#include "store/pack.h"
#include "store/section.h"
#include "store/transfer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MESSAGE_SIZE = 5000 };

static void look_at_description(const Pk__Description *description)
{
	if (description_check(description, MESSAGE_SIZE, NULL) != 0)
		return;
	(void)text_field(description->subject, 100);
	static const uint32_t paths[][3] = {{1, 1, 1}, {2, 1, 2}, {1, 2, 3}};
	for (size_t i = 0; i < ARRAY_LEN(paths) * 4 * 3; i++) {
		Pk__Section section = PK__SECTION__INIT;
		uint32_t path[3] = {paths[i % 3][0], paths[i % 3][1], paths[i % 3][2]};
		section.path = path;
		section.n_path = i / 3 % 4;
		section.what = (Pk__Section__What)(i / 12);
		struct section_place place = section_find(&section, description, MESSAGE_SIZE, 77);
		must(place.missing ||
		     (place.offset <= MESSAGE_SIZE && place.size <= MESSAGE_SIZE - place.offset));
	}
}

static void look_at_uids(Pk__UidRange *const *items, size_t count)
{
	struct uid_runs runs UID_RUNS_AUTO = {0};
	if (uid_runs_from(&runs, items, count, NULL) != 0)
		return;
	for (size_t i = 0; i < runs.count; i++) {
		must(runs.items[i].first > 0 && runs.items[i].first <= runs.items[i].last);
		must(i == 0 || runs.items[i].first > runs.items[i - 1].last + 1);
	}
}

static void look_at_name(const char *name)
{
	struct buf canonical BUF_AUTO, again BUF_AUTO;
	buf_init(&canonical, FOLDER_NAME_MAX);
	buf_init(&again, FOLDER_NAME_MAX);
	if (folder_name_check(str_from(name), &canonical, NULL) != 0)
		return;
	must(!canonical.failed && utf8_valid(buf_str(&canonical)));
	must(folder_name_check(buf_str(&canonical), &again, NULL) == 0);
	must(str_eq(buf_str(&canonical), buf_str(&again)));
}

static void look_at_request(unsigned method, struct str body)
{
	ProtobufCMessage *message = NULL;
	switch (method) {
	case 0:
		message = link_unpack(&pk__append_request__descriptor, body, WIRE_ITEMS_MESSAGES);
		if (message != NULL) {
			const Pk__AppendRequest *append = (const Pk__AppendRequest *)message;
			look_at_description(append->description);
			look_at_name(append->name);
			(void)(keywords_check(append->keywords, append->n_keywords, NULL) == 0);
		}
		break;
	case 1:
		if (search_depth_ok(body))
			message = link_unpack(&pk__search_request__descriptor, body, WIRE_ITEMS_MESSAGES);
		break;
	default:
		message = link_unpack(&pk__fetch_request__descriptor, body, WIRE_ITEMS_MESSAGES);
		if (message != NULL)
			look_at_uids(((Pk__FetchRequest *)message)->uids,
			             ((Pk__FetchRequest *)message)->n_uids);
	}
	if (message != NULL)
		protobuf_c_message_free_unpacked(message, NULL);
}

/* base64_lines_read says itself that it compared; here the whole is written and compared again. */
static void look_at_base64(struct str text)
{
	struct buf decoded BUF_AUTO;
	buf_init(&decoded, text.len + 4);
	struct base64_shape shape;
	if (!base64_lines_read(text, &shape, &decoded))
		return;
	must(shape.encoded_size <= text.len);
	char *written MEM_AUTO = mem_new(text.len);
	size_t done = 0;
	while (done < shape.encoded_size) {
		size_t n = base64_lines_write(&shape, done, buf_str(&decoded), 0, true, written + done,
		                              (done % 7 + 1) * 5);
		must(n > 0);
		done += n;
		if (text.len - done < 40)
			break;
	}
	must(str_eq(STR_OF(written, done), str_slice(text, 0, done)));
}

static void look_at_frame(struct str frame)
{
	struct pack_tables *tables = pack_tables_new();
	struct packer *packer = packer_new(tables);
	struct buf plain BUF_AUTO;
	buf_init(&plain, 1024 * 1024);
	if (unpack(packer, frame, 1024 * 1024, &plain, NULL) != 0)
		must(plain.len == 0);
	packer_free(packer);
	pack_tables_free(tables);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct str rest = STR_OF(data + 1, size - 1);
	switch (data[0] % 6) {
	case 4:
		look_at_base64(rest);
		break;
	case 5:
		look_at_frame(rest);
		break;
	default:
		look_at_request(data[0] % 6, rest);
	}
	return 0;
}
