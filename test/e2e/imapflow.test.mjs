// ImapFlow and Nodemailer, as a web mail or an app would use them.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { ImapFlow } from 'imapflow';
import nodemailer from 'nodemailer';

let service, place;

before(async () => {
	service = spawn('python3', ['test/lib/serve.py', 'hello@example.test'], {
		stdio: ['pipe', 'pipe', 'inherit'],
	});
	const lines = createInterface({ input: service.stdout });
	for await (const line of lines) {
		place = JSON.parse(line);
		break;
	}
});

after(() => {
	service.stdin.end();
});

function client(options = {}) {
	return new ImapFlow({
		host: '127.0.0.1',
		port: place.imaps_port,
		secure: true,
		tls: { rejectUnauthorized: false },
		auth: { user: 'hello@example.test', pass: place.password },
		logger: false,
		...options,
	});
}

function send(message) {
	const transport = nodemailer.createTransport({
		host: '127.0.0.1',
		port: place.smtp_port,
		secure: false,
		requireTLS: true,
		tls: { rejectUnauthorized: false },
	});
	return transport.sendMail({ from: 'sender@example.org', to: 'hello@example.test', ...message });
}

test('a message with an attachment arrives and is read part by part', async () => {
	const attachment = Buffer.alloc(300_000, 'postkasse ');
	await send({
		subject: 'Grød på øen',
		text: 'Plain text, æøå.',
		html: '<p>Plain <b>text</b>, æøå.</p>',
		attachments: [{ filename: 'blåbær.bin', content: attachment }],
	});
	const imap = client();
	await imap.connect();
	const lock = await imap.getMailboxLock('INBOX');
	try {
		const message = await imap.fetchOne('*', { envelope: true, bodyStructure: true, size: true, source: true });
		assert.equal(message.envelope.subject, 'Grød på øen');
		assert.equal(message.envelope.from[0].address, 'sender@example.org');
		assert.equal(message.bodyStructure.type, 'multipart/mixed');
		const part = message.bodyStructure.childNodes[1];
		assert.equal(part.dispositionParameters.filename, 'blåbær.bin');
		assert.equal(message.source.length, message.size);
		const { content } = await imap.download('*', part.part);
		const pieces = [];
		for await (const piece of content)
			pieces.push(piece);
		assert.deepEqual(Buffer.concat(pieces), attachment);
		assert.deepEqual(await imap.search({ body: 'ÆØÅ' }), [message.seq]);
		assert.deepEqual(await imap.search({ subject: 'på Ø' }), [message.seq]);
	} finally {
		lock.release();
	}
	await imap.logout();
});

test('exists, flags and expunge reach an idle client', async () => {
	const imap = client(), other = client();
	await imap.connect();
	await other.connect();
	await imap.mailboxOpen('INBOX');
	const exists = new Promise(resolve => imap.once('exists', resolve));
	const idling = imap.idle();
	await send({ subject: 'Wake up', text: 'x' });
	const { count, prevCount } = await exists;
	assert.equal(count, prevCount + 1);
	const flags = new Promise(resolve => imap.once('flags', resolve));
	await other.mailboxOpen('INBOX');
	await other.messageFlagsAdd('*', ['\\Flagged', 'urgent']);
	const changed = await flags;
	assert.ok(changed.flags.has('\\Flagged') && changed.flags.has('urgent'));
	const gone = new Promise(resolve => imap.once('expunge', resolve));
	await other.messageDelete('*');
	assert.equal((await gone).seq, count);
	await imap.logout();
	await idling.catch(() => {});
	await other.logout();
});

test('folders, moves, appends and quotas of names', async () => {
	const imap = client();
	await imap.connect();
	await imap.mailboxCreate('Projekt/Æbler');
	const paths = (await imap.list()).map(folder => folder.path);
	assert.ok(paths.includes('Projekt/Æbler'), paths.join());
	const appended = await imap.append('Projekt/Æbler', 'Subject: kladde\r\n\r\nTekst\r\n', ['\\Draft'], new Date('2026-01-02T03:04:05Z'));
	assert.equal(appended.uid, 1);
	await imap.mailboxOpen('Projekt/Æbler');
	const message = await imap.fetchOne('1', { flags: true, internalDate: true });
	assert.ok(message.flags.has('\\Draft'));
	assert.equal(message.internalDate.toISOString(), '2026-01-02T03:04:05.000Z');
	const moved = await imap.messageMove('1', 'Archive');
	assert.equal(moved.uidMap.size, 1);
	assert.equal((await imap.status('Archive', { messages: true })).messages, 1);
	await imap.mailboxClose();
	await imap.mailboxRename('Projekt/Æbler', 'Projekt/Pærer');
	await imap.mailboxDelete('Projekt/Pærer');
	const special = Object.fromEntries((await imap.list()).filter(f => f.specialUse).map(f => [f.specialUse, f.path]));
	assert.deepEqual(special, {
		'\\Inbox': 'INBOX', '\\Drafts': 'Drafts', '\\Sent': 'Sent',
		'\\Archive': 'Archive', '\\Junk': 'Junk', '\\Trash': 'Trash',
	});
	await imap.logout();
});

test('a wrong password is refused', async () => {
	const imap = client({ auth: { user: 'hello@example.test', pass: 'wrong' } });
	await assert.rejects(imap.connect(), error => error.authenticationFailed === true);
});
