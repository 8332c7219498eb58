#include "store/notice.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/mem.h"
#include "net/link.h"
#include "store/request.h"
#include "structure.pb-c.h"

enum { NOTICE_MAX = 8 * 1024, FIELD_MAX = 200 };

#define SENDER_MAILBOX "noreply"
#define SENDER_HOST    "postkasse.invalid" /* RFC 2606 section 2: nobody can be there */

struct notice {
	const char *subject;
	struct str id;
	char date[FIELD_MAX], message_id[FIELD_MAX];
	struct buf body, raw, envelope, structure, search_header, search_text;
	size_t header_size;
};

static void notice_done(struct notice *notice)
{
	buf_done(&notice->body);
	buf_done(&notice->raw);
	buf_done(&notice->envelope);
	buf_done(&notice->structure);
	buf_done(&notice->search_header);
	buf_done(&notice->search_text);
}

/* RFC 5322 section 3.3, in UTC. */
static void write_date(int64_t seconds, struct buf *ret)
{
	static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
	                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	struct civil c = civil_from_seconds(seconds);
	buf_addf(ret, "%s, %02d %s %04d %02d:%02d:%02d +0000", days[civil_weekday(seconds)], c.day,
	         months[c.month - 1], c.year, c.hour, c.minute, c.second);
	buf_add_byte(ret, '\0');
}

static void fields(struct notice *notice, int64_t now)
{
	struct buf date BUF_AUTO;
	buf_init(&date, sizeof(notice->date));
	write_date(now, &date);
	for (size_t i = 0; i < date.len; i++)
		notice->date[i] = date.ptr[i];
	hex_encode(notice->id.ptr, notice->id.len, notice->message_id);
}

static void write_damage(struct buf *out, const struct notice_damage *damage)
{
	buf_add_text(out,
	             "While you were away, mail for you was kept sealed on the disk of this server.\r\n"
	             "A part of that file was found damaged when it was opened now.\r\n\r\n");
	buf_addf(out, "Messages that could be read, and are in your mailbox: %llu\r\n",
	         (unsigned long long)damage->read);
	if (damage->uncounted)
		buf_add_text(out, "Messages that could not be read: their number is not known\r\n\r\n");
	else
		buf_addf(out, "Messages that could not be read: %llu\r\n\r\n",
		         (unsigned long long)damage->lost);
	buf_add_text(
		out, "Their senders were told that they had arrived, and will not send them again by\r\n"
			 "themselves. Whoever runs this server has the damaged file, under the name\r\n");
	buf_add_str(out, damage->kept);
	buf_add_text(out, "\r\nand may have a backup of it that is sound.\r\n");
}

/* The search fields are what a front would send: lines unfolded, all in lower case. */
static void add_folded(struct buf *out, struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] != '\r')
			buf_add_byte(out, ascii_lower(text.ptr[i]));
}

static void compose(struct notice *notice)
{
	buf_addf(&notice->raw,
	         "Date: %s\r\nFrom: postkasse <" SENDER_MAILBOX "@" SENDER_HOST ">\r\n"
	         "Subject: %s\r\nMessage-ID: <%s@" SENDER_HOST ">\r\n"
	         "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n"
	         "Auto-Submitted: auto-generated\r\n\r\n",
	         notice->date, notice->subject, notice->message_id);
	notice->header_size = notice->raw.len;
	buf_add_str(&notice->raw, buf_str(&notice->body));
	struct str raw = buf_str(&notice->raw);
	add_folded(&notice->search_header, str_slice(raw, 0, notice->header_size - 2));
	add_folded(&notice->search_text, str_from_byte(raw, notice->header_size));
}

static unsigned count_lines(struct str text)
{
	unsigned lines = 0;
	for (size_t i = 0; i < text.len; i++)
		lines += text.ptr[i] == '\n';
	return lines;
}

static ProtobufCBinaryData bytes_of(const struct buf *buf)
{
	return (ProtobufCBinaryData){.len = buf->len, .data = (uint8_t *)buf->ptr};
}

static void pack_envelope(struct notice *notice)
{
	Pk__Envelope envelope = PK__ENVELOPE__INIT;
	Pk__Address sender = PK__ADDRESS__INIT, *senders[] = {&sender};
	struct buf message_id BUF_AUTO;
	buf_init(&message_id, 2 * FIELD_MAX);
	buf_addf(&message_id, "<%s@" SENDER_HOST ">", notice->message_id);
	sender.has_name = sender.has_local = sender.has_domain = true;
	sender.name = packed_bytes(STR("postkasse"));
	sender.local = packed_bytes(STR(SENDER_MAILBOX));
	sender.domain = packed_bytes(STR(SENDER_HOST));
	envelope.from = senders;
	envelope.n_from = 1;
	envelope.has_date = envelope.has_subject = envelope.has_message_id = true;
	envelope.date = packed_bytes(str_from(notice->date));
	envelope.subject = packed_bytes(str_from(notice->subject));
	envelope.message_id = bytes_of(&message_id);
	link_pack(&notice->envelope, &envelope.base);
}

static void pack_structure(struct notice *notice, const Pk__Part *part)
{
	Pk__BodyStructure structure = PK__BODY_STRUCTURE__INIT;
	Pk__Body body = PK__BODY__INIT, *bodies[] = {&body};
	ProtobufCBinaryData parameters[] = {packed_bytes(STR("charset")),
	                                    packed_bytes(STR("us-ascii"))};
	body.has_type = body.has_subtype = body.has_encoding = body.has_size = body.has_lines = true;
	body.type = packed_bytes(STR("text"));
	body.subtype = packed_bytes(STR("plain"));
	body.parameters = parameters;
	body.n_parameters = 2;
	body.encoding = packed_bytes(STR("7bit"));
	body.size = part->body_size;
	body.lines = part->lines;
	structure.bodies = bodies;
	structure.n_bodies = 1;
	link_pack(&notice->structure, &structure.base);
}

static void describe(struct notice *notice, Pk__Part *part, Pk__Part **parts, Pk__Description *ret)
{
	struct str body = str_from_byte(buf_str(&notice->raw), notice->header_size);
	pk__part__init(part);
	part->header_size = notice->header_size;
	part->body_offset = notice->header_size;
	part->body_size = body.len;
	part->lines = count_lines(body);
	pack_envelope(notice);
	pack_structure(notice, part);
	*parts = part;
	ret->parts = parts;
	ret->n_parts = 1;
}

static int add(struct batch *batch, const struct notice *notice, Pk__Description *description,
               int64_t now, struct batch_result *ret, struct errinfo *info)
{
	char *subject MEM_AUTO = str_dup(str_from(notice->subject));
	char folded_from[] = "postkasse <" SENDER_MAILBOX "@" SENDER_HOST ">";
	char sort_from[] = SENDER_MAILBOX;
	struct buf id BUF_AUTO;
	buf_init(&id, 2 * FIELD_MAX);
	buf_addf(&id, "%s@" SENDER_HOST, notice->message_id);
	buf_add_byte(&id, '\0');
	description->subject = description->base_subject = subject;
	description->from = folded_from;
	description->sort_from = sort_from;
	description->preview = subject;
	description->message_id = id.ptr;
	description->sent_date = now;
	description->has_sent_date = true;
	description->envelope = bytes_of(&notice->envelope);
	description->body_structure = bytes_of(&notice->structure);
	description->search_header = bytes_of(&notice->search_header);
	description->search_text = bytes_of(&notice->search_text);
	struct batch_item item = {
		.folder = STR("INBOX"),
		.internal_date = now,
		.delivery_id = notice->id,
		.description = description,
		.raw = buf_str(&notice->raw),
	};
	return batch_add(batch, &item, ret, info);
}

/* body is written into notice->body by then. */
static int finish(struct notice *notice, struct batch *batch, struct batch_result *ret,
                  struct errinfo *info)
{
	int64_t now = clock_realtime_us() / 1000000;
	struct buf *const bufs[] = {&notice->raw, &notice->envelope, &notice->structure,
	                            &notice->search_header, &notice->search_text};
	for (size_t i = 0; i < sizeof(bufs) / sizeof(bufs[0]); i++)
		buf_init(bufs[i], NOTICE_MAX);
	char media_type[] = "text/plain";
	Pk__Description description = PK__DESCRIPTION__INIT;
	Pk__Part part, *parts;
	fields(notice, now);
	compose(notice);
	describe(notice, &part, &parts, &description);
	part.media_type = media_type;
	return add(batch, notice, &description, now, ret, info);
}

int notice_add_damage(struct batch *batch, const struct notice_damage *damage,
                      struct batch_result *ret, struct errinfo *info)
{
	struct notice notice __attribute__((cleanup(notice_done))) = {
		.subject = "Some mail that waited for you was damaged", .id = damage->id};
	buf_init(&notice.body, NOTICE_MAX);
	write_damage(&notice.body, damage);
	return finish(&notice, batch, ret, info);
}

int notice_add_missing(struct batch *batch, uint64_t messages, struct str id,
                       struct batch_result *ret, struct errinfo *info)
{
	struct notice notice __attribute__((cleanup(notice_done))) = {
		.subject = "Some mail that waited for you is missing", .id = id};
	buf_init(&notice.body, NOTICE_MAX);
	buf_addf(
		&notice.body,
		"While you were away, mail for you was kept sealed on the disk of this server.\r\n"
		"Not all of it was there any more now: a file was removed, or is an older copy.\r\n\r\n"
		"Messages that are missing, at least: %llu\r\n\r\n"
		"Their senders were told that they had arrived, and will not send them again by\r\n"
		"themselves. Whoever runs this server may have a backup of that file: put back, what\r\n"
		"is in it will arrive here at your next login.\r\n",
		(unsigned long long)messages);
	return finish(&notice, batch, ret, info);
}

int notice_add_rollback(struct batch *batch, uint64_t messages, struct str id,
                        struct batch_result *ret, struct errinfo *info)
{
	struct notice notice __attribute__((cleanup(notice_done))) = {
		.subject = "Your mailbox has been put back to an earlier state", .id = id};
	buf_init(&notice.body, NOTICE_MAX);
	buf_addf(
		&notice.body,
		"The file of your mailbox was found with less in it than it had before: it is an older\r\n"
		"copy, or a part of it was lost. Whoever runs this server has decided that it is what\r\n"
		"there is. Mail that came after that copy was made is missing, and what you have\r\n"
		"deleted, moved or marked since then is as it was.\r\n\r\n"
		"Messages in your mailbox: %llu\r\n\r\n"
		"Mail programs will fetch all folders anew. What they still show of the missing mail\r\n"
		"may go with that: save it first if you can.\r\n",
		(unsigned long long)messages);
	return finish(&notice, batch, ret, info);
}
