// The mailbox file of a running service, opened by a stranger: only the password, doc/schema.md, and
// better-sqlite3-multiple-ciphers.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { zstdDecompressSync } from 'node:zlib';
import { ImapFlow } from 'imapflow';
import { openMailbox } from '../portability/open.mjs';

const folder = mkdtempSync(join(tmpdir(), 'postkasse-portable-'));
const attachment = Buffer.alloc(100_000, 'a picture, say ').toString('base64').replace(/.{76}/g, '$&\r\n');
const messages = [
	'Subject: plain\r\n\r\nJust text.\r\n',
	'Subject: bare line feeds\n\nfirst\nsecond\n',
	...[1, 2].map(number => `Subject: attached ${number}\r\nMIME-Version: 1.0\r\n`
		+ 'Content-Type: multipart/mixed; boundary=frontier\r\n\r\n--frontier\r\n\r\nSee the picture.\r\n'
		+ '--frontier\r\nContent-Type: image/png; name=p.png\r\nContent-Transfer-Encoding: base64\r\n\r\n'
		+ `${attachment}\r\n--frontier--\r\n`),
];
let service, place, copy;

before(async () => {
	service = spawn('python3', ['test/lib/serve.py', 'hello@example.test'], { stdio: ['pipe', 'pipe', 'inherit'] });
	for await (const line of createInterface({ input: service.stdout })) {
		place = JSON.parse(line);
		break;
	}
	const imap = new ImapFlow({
		host: '127.0.0.1', port: place.imaps_port, secure: true, tls: { rejectUnauthorized: false },
		auth: { user: 'hello@example.test', pass: place.password }, logger: false,
	});
	await imap.connect();
	for (const raw of messages)
		await imap.append('INBOX', Buffer.from(raw), ['\\Seen']);
	await imap.logout();
	const mailboxes = join(place.data, 'mailboxes');
	const part = readdirSync(mailboxes).find(name => name.length === 2);
	const name = readdirSync(join(mailboxes, part)).find(file => file.endsWith('.sqlite'));
	copy = join(folder, name);
	for (const end of ['', '-wal']) {
		if (existsSync(join(mailboxes, part, name + end)))
			copyFileSync(join(mailboxes, part, name + end), copy + end);
	}
});

after(() => {
	service.stdin.end();
	rmSync(folder, { recursive: true });
});

test('a wrong password is refused', () => {
	assert.throws(() => openMailbox(copy, 'wrong').prepare('SELECT * FROM folder').all());
});

test('the password opens it, and every message comes out as it went in', () => {
	const db = openMailbox(copy, place.password);
	const inbox = db.prepare("SELECT * FROM folder WHERE name = 'INBOX'").get();
	assert.equal(inbox.messages, messages.length);
	const dictionary = zstdDecompressSync(db.prepare('SELECT data FROM dictionary').get().data);
	// The number of its dictionary stands in a frame's header; there is one so far.
	const unpack = row => !row.packed ? row.data
		: row.data[4] & 3 ? zstdDecompressSync(row.data, { dictionary })
			: zstdDecompressSync(row.data);
	const pieces = (table, id) => Buffer.concat(db.prepare(
		`SELECT packed, data FROM ${table} WHERE id BETWEEN ? AND ? ORDER BY id`)
		.all(id * 65536, id * 65536 + 65535).map(unpack));
	const cuts = db.prepare('SELECT * FROM cut WHERE message = ? ORDER BY offset');
	const found = db.prepare('SELECT m.* FROM entry e JOIN message m ON m.id = e.message WHERE e.folder = ? ORDER BY e.uid')
		.all(inbox.id).map(message => {
			let raw = pieces('content', message.id);
			for (const cut of cuts.all(message.id)) {
				let bytes = pieces('attachment_content', cut.attachment);
				if (cut.line_size > 0) {
					const lines = bytes.toString('base64').match(new RegExp(`.{1,${cut.line_size}}`, 'g'));
					bytes = Buffer.from(lines.join(['', '\n', '\r\n'][cut.line_end]));
				}
				assert.equal(bytes.length, cut.size);
				raw = Buffer.concat([raw.subarray(0, cut.offset), bytes, raw.subarray(cut.offset)]);
			}
			assert.deepEqual(createHash('sha256').update(raw).digest(), message.digest);
			return raw.toString();
		});
	assert.deepEqual(found, messages);
	assert.equal(db.prepare('SELECT count(*) AS n FROM attachment').get().n, 1, 'one attachment, stored once');
	db.close();
});
