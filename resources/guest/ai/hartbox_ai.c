/* SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "hartbox_ai.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* STAGE: what a console port takes at once. ROOM: for results, until it is known how long they are. TEXT: of an error. */
enum { HEADER = 24, PIECE = 8 << 20, STAGE = 32 << 10, ROOM_MIN = 64 << 10, ROOM = 1 << 20, TEXT = 480 };
enum { HELLO = 1, LIST, UPLOAD, OPEN, RUN, CLOSE };
enum { NO_ROOM = 10 };

/* For the driver of /dev/hartbox-ai: where in the mapped memory a request is, and where its answer is to go. */
struct hbai_send {
	uint32_t message, length, answer, room;
};
#define HBAI_SEND _IOW('H', 0xa1, struct hbai_send)

/* Memory shared with the host: room for an answer, and behind it for a request. */
typedef struct {
	unsigned char *at;
	size_t room, size;
} window;

struct hbai {
	int file;
	uint32_t id;
	/* The last answer, whole: in the buffer or in the window. */
	const unsigned char *answer;
	unsigned char *buffer;
	size_t buffer_size;
	window window;
	/* A port, or a driver of before. */
	int has_no_window;
	/* The longest results so far. */
	uint32_t longest;
	/* Small parts of a request, gathered: each write wakes the host. */
	size_t staged;
	unsigned char stage[STAGE];
	char error[512];
};

/* Bytes that a message is made of. */
typedef struct {
	const void *data;
	size_t length;
} part;

static int fail(hbai *ai, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(ai->error, sizeof ai->error, format, arguments);
	va_end(arguments);
	return -1;
}

static void put16(unsigned char *at, unsigned value)
{
	at[0] = value & 255;
	at[1] = value >> 8 & 255;
}

static void put32(unsigned char *at, uint32_t value)
{
	put16(at, value & 0xffff);
	put16(at + 2, value >> 16);
}

static unsigned get16(const unsigned char *at)
{
	return at[0] | at[1] << 8;
}

static uint32_t get32(const unsigned char *at)
{
	return get16(at) | (uint32_t)get16(at + 2) << 16;
}

static size_t up(size_t length)
{
	return (length + 7) & ~(size_t)7;
}

static int write_all(hbai *ai, const void *data, size_t length)
{
	const char *at = data;
	while (length > 0) {
		ssize_t done = write(ai->file, at, length);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return fail(ai, "the request could not be sent: %s", strerror(errno));
		at += done;
		length -= (size_t)done;
	}
	return 0;
}

static int flush(hbai *ai)
{
	size_t length = ai->staged;
	ai->staged = 0;
	return write_all(ai, ai->stage, length);
}

static int put_all(hbai *ai, const void *data, size_t length)
{
	if (length > STAGE - ai->staged && flush(ai) < 0)
		return -1;
	if (length > STAGE)
		return write_all(ai, data, length);
	if (length > 0)
		memcpy(ai->stage + ai->staged, data, length);
	ai->staged += length;
	return 0;
}

static int read_all(hbai *ai, void *data, size_t length)
{
	char *at = data;
	while (length > 0) {
		ssize_t done = read(ai->file, at, length);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return fail(ai, "the answer could not be read: %s", done < 0 ? strerror(errno) : "the host has closed the port");
		at += done;
		length -= (size_t)done;
	}
	return 0;
}

static int refused(hbai *ai, unsigned status, const unsigned char *text, size_t length)
{
	return fail(ai, "%.*s (%u)", (int)(length < TEXT ? length : TEXT), (const char *)text, status);
}

static int ask_by_stream(hbai *ai, unsigned char *header, const part *parts, unsigned count, uint32_t *needed)
{
	uint32_t id = get32(header + 8);
	ai->staged = 0;
	if (put_all(ai, header, HEADER) < 0)
		return -1;
	for (unsigned i = 0; i < count; i++)
		if (put_all(ai, parts[i].data, parts[i].length) < 0)
			return -1;
	if (flush(ai) < 0)
		return -1;

	for (;;) {
		if (read_all(ai, header, HEADER) < 0)
			return -1;
		size_t bytes = get32(header);
		unsigned status = get16(header + 6);
		if (bytes < HEADER)
			return fail(ai, "the host gave an answer of %zu bytes", bytes);
		/* The last results stay until there are new ones: they may be what is asked about. */
		unsigned char *into = NULL, *own = NULL;
		if (status == 0 && bytes <= ai->buffer_size)
			into = ai->buffer;
		else if (!(into = own = malloc(bytes)))
			return fail(ai, "no memory for an answer of %zu bytes", bytes);
		memcpy(into, header, HEADER);
		if (read_all(ai, into + HEADER, bytes - HEADER) < 0) {
			free(own);
			return -1;
		}
		/* Others are answers to somebody who has gone. */
		if (get32(header + 8) != id) {
			free(own);
			continue;
		}
		if (status == 0) {
			if (own) {
				free(ai->buffer);
				ai->buffer = own;
				ai->buffer_size = bytes;
			}
			ai->answer = ai->buffer;
			return 0;
		}
		if (needed && status == NO_ROOM)
			*needed = get32(header + 16);
		refused(ai, status, into + HEADER, bytes - HEADER);
		free(own);
		return -1;
	}
}

/* A window that is large enough. The last one, if it is not that, is left in `last`, to be given back. NULL where there is none. */
static unsigned char *window_for(hbai *ai, size_t length, size_t room, window *last)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	*last = (window){0};
	if (ai->has_no_window)
		return NULL;
	if (room <= ai->window.room && length <= ai->window.size - ai->window.room)
		return ai->window.at;
	if (room < ai->window.room)
		room = ai->window.room;
	room = (room + page - 1) & ~(page - 1);
	size_t size = (room + length + page - 1) & ~(page - 1);
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ai->file, 0);
	if (at == MAP_FAILED) {
		ai->has_no_window = errno == ENODEV;
		return NULL;
	}
	*last = ai->window;
	ai->window = (window){at, room, size};
	return at;
}

static void give_back(window *last)
{
	if (last->at)
		munmap(last->at, last->size);
	*last = (window){0};
}

/* With the request and the answer where the host reads and writes them. 1: there is no such memory, and nothing was asked. */
static int ask_in_window(hbai *ai, unsigned char *header, size_t length, uint32_t room, const part *parts, unsigned count)
{
	window last;
	if (!window_for(ai, length, room, &last))
		return 1;
	unsigned char *to = ai->window.at + ai->window.room;
	memcpy(to, header, HEADER);
	to += HEADER;
	for (unsigned i = 0; i < count; i++) {
		if (parts[i].length > 0)
			memcpy(to, parts[i].data, parts[i].length);
		to += parts[i].length;
	}
	for (;;) {
		/* Only now: among the inputs there may be results that lie in it. */
		give_back(&last);
		unsigned char *message = ai->window.at + ai->window.room;
		struct hbai_send send = {(uint32_t)ai->window.room, (uint32_t)length, 0, (uint32_t)ai->window.room};
		put32(message + 16, send.room);
		while (ioctl(ai->file, HBAI_SEND, &send) < 0)
			if (errno != EINTR)
				return fail(ai, "the request could not be sent: %s", strerror(errno));
		if (read_all(ai, header, HEADER) < 0)
			return -1;
		size_t bytes = get32(header), needed = get32(header + 16);
		unsigned status = get16(header + 6);
		if (bytes < HEADER || bytes > ai->window.room)
			return fail(ai, "the host gave an answer of %zu bytes", bytes);
		ai->answer = ai->window.at;
		if (status == 0)
			return 0;
		if (status != NO_ROOM || needed <= ai->window.room)
			return refused(ai, status, ai->answer + HEADER, bytes - HEADER);
		if (!window_for(ai, length, needed, &last))
			return fail(ai, "no memory for an answer of %zu bytes", needed);
		memcpy(ai->window.at + ai->window.room, last.at + last.room, length);
	}
}

/* Ask, and have the answer at ai->answer. `*needed`, if given: the room that it lacked. */
static int ask(hbai *ai, int operation, uint32_t handle, uint32_t room, const part *parts, unsigned count, uint32_t *needed)
{
	unsigned char header[HEADER] = {0};
	size_t length = HEADER;
	for (unsigned i = 0; i < count; i++)
		length += parts[i].length;
	if (length > UINT32_MAX)
		return fail(ai, "a message of %zu bytes is too long", length);
	put32(header, (uint32_t)length);
	put16(header + 4, (unsigned)operation);
	put32(header + 8, ++ai->id);
	put32(header + 12, handle);
	put32(header + 16, room);
	/* What is large and asked often. */
	int result = operation == RUN ? ask_in_window(ai, header, length, room, parts, count) : 1;
	return result <= 0 ? result : ask_by_stream(ai, header, parts, count, needed);
}

static int try_file(hbai *ai, const char *path)
{
	ai->file = open(path, O_RDWR | O_CLOEXEC);
	return ai->file < 0 ? -1 : 0;
}

/* Ports by their names, where nobody has made links to them. */
static int try_ports(hbai *ai, int *seen)
{
	static const char folder[] = "/sys/class/virtio-ports";
	DIR *all = opendir(folder);
	struct dirent *one;
	int found = -1;
	if (!all)
		return -1;
	while (found < 0 && (one = readdir(all))) {
		char path[512], name[64] = "";
		if (one->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s/name", folder, one->d_name);
		FILE *file = fopen(path, "r");
		if (!file)
			continue;
		if (!fgets(name, sizeof name, file))
			name[0] = 0;
		fclose(file);
		if (strncmp(name, "org.hartbox.ai.", 15) != 0)
			continue;
		*seen = 1;
		snprintf(path, sizeof path, "/dev/%s", one->d_name);
		found = try_file(ai, path);
	}
	closedir(all);
	return found;
}

hbai *hbai_open(const char *path, char *why, size_t why_size)
{
	hbai *ai = calloc(1, sizeof *ai);
	int seen = 0;
	if (!path)
		path = getenv("HARTBOX_AI");
	if (ai && (path ? try_file(ai, path) == 0 : try_file(ai, "/dev/hartbox-ai") == 0 || try_ports(ai, &seen) == 0)) {
		/* What comes is for this program, whoever had the port before. */
		ai->id = (uint32_t)getpid() << 12;
		return ai;
	}
	if (why && why_size > 0) {
		if (path)
			snprintf(why, why_size, "%s: %s", path, strerror(errno));
		else if (seen)
			snprintf(why, why_size, "all ports org.hartbox.ai.* are in use, or you may not open them: %s", strerror(errno));
		else
			snprintf(why, why_size, "there is neither /dev/hartbox-ai nor a console port org.hartbox.ai.*: start the box with --ai");
	}
	free(ai);
	return NULL;
}

void hbai_close(hbai *ai)
{
	if (!ai)
		return;
	give_back(&ai->window);
	close(ai->file);
	free(ai->buffer);
	free(ai);
}

const char *hbai_error(const hbai *ai)
{
	return ai->error;
}

int hbai_hello(hbai *ai, hbai_host *host)
{
	unsigned char body[4];
	put32(body, 1);
	part parts[] = {{body, sizeof body}};
	if (ask(ai, HELLO, 0, ROOM_MIN, parts, 1, NULL) < 0)
		return -1;
	size_t length = get32(ai->answer);
	const unsigned char *at = ai->answer + HEADER;
	if (length < HEADER + 24)
		return fail(ai, "the host's greeting is too short");
	*host = (hbai_host){get32(at), get32(at + 4), get32(at + 8), get32(at + 12), get32(at + 16), ""};
	size_t text = length - HEADER - 24;
	if (text >= sizeof host->backend)
		text = sizeof host->backend - 1;
	memcpy(host->backend, at + 24, text);
	host->backend[text] = 0;
	return 0;
}

char *hbai_list(hbai *ai)
{
	if (ask(ai, LIST, 0, ROOM, NULL, 0, NULL) < 0)
		return NULL;
	size_t length = get32(ai->answer) - HEADER;
	char *text = malloc(length + 1);
	if (!text) {
		fail(ai, "no memory");
		return NULL;
	}
	memcpy(text, ai->answer + HEADER, length);
	text[length] = 0;
	return text;
}

/* One tensor of an answer; returns what is behind it, or NULL. */
static const unsigned char *get_tensor(const unsigned char *at, const unsigned char *end, hbai_tensor *tensor)
{
	if (end - at < 8)
		return NULL;
	size_t name = get16(at), rank = at[3], bytes = get32(at + 4);
	size_t front = 8 + up(4 * rank + name);
	if (rank > HBAI_RANK_MAX || (size_t)(end - at) < front + bytes)
		return NULL;
	memset(tensor, 0, sizeof *tensor);
	tensor->type = at[2];
	tensor->rank = (unsigned)rank;
	for (size_t i = 0; i < rank; i++)
		tensor->sizes[i] = get32(at + 8 + 4 * i);
	memcpy(tensor->name, at + 8 + 4 * rank, name < HBAI_NAME_MAX ? name : HBAI_NAME_MAX - 1);
	tensor->data = at + front;
	tensor->bytes = bytes;
	size_t whole = front + up(bytes);
	return (size_t)(end - at) < whole ? end : at + whole;
}

/* The answer to OPEN. */
static int get_model(hbai *ai, hbai_model *model)
{
	const unsigned char *at = ai->answer + HEADER, *end = ai->answer + get32(ai->answer);
	memset(model, 0, sizeof *model);
	model->handle = get32(ai->answer + 12);
	if (end - at < 8)
		return fail(ai, "the host's description of the model is too short");
	unsigned inputs = get16(at), outputs = get16(at + 2);
	hbai_tensor *all = calloc(inputs + outputs + 1, sizeof *all);
	if (!all)
		return fail(ai, "no memory");
	at += 8;
	for (unsigned i = 0; i < inputs + outputs; i++) {
		at = get_tensor(at, end, &all[i]);
		if (!at) {
			free(all);
			return fail(ai, "the host's description of the model is damaged");
		}
		all[i].data = NULL;
	}
	model->input_count = inputs;
	model->output_count = outputs;
	model->inputs = all;
	model->outputs = all + inputs;
	return 0;
}

int hbai_open_model(hbai *ai, const char *name, hbai_model *model)
{
	part parts[] = {{name, strlen(name)}};
	return ask(ai, OPEN, 0, ROOM, parts, 1, NULL) < 0 ? -1 : get_model(ai, model);
}

int hbai_load(hbai *ai, const void *bytes, size_t length, hbai_model *model)
{
	uint32_t handle = 0;
	for (size_t at = 0; at < length; at += PIECE) {
		unsigned char head[8] = {0};
		size_t piece = length - at < PIECE ? length - at : PIECE;
		uint64_t number = at == 0 ? length : at;
		put32(head, (uint32_t)number);
		put32(head + 4, (uint32_t)(number >> 32));
		part parts[] = {{head, sizeof head}, {(const char *)bytes + at, piece}};
		if (ask(ai, UPLOAD, handle, ROOM_MIN, parts, 2, NULL) < 0)
			return -1;
		handle = get32(ai->answer + 12);
	}
	return ask(ai, OPEN, handle, ROOM, NULL, 0, NULL) < 0 ? -1 : get_model(ai, model);
}

int hbai_load_file(hbai *ai, const char *path, hbai_model *model)
{
	FILE *file = fopen(path, "rb");
	size_t length = 0, size = 1 << 20;
	char *bytes = malloc(size);
	struct stat about;
	int result = -1;
	if (!file || !bytes) {
		fail(ai, "%s: %s", path, strerror(errno));
	} else if (fstat(fileno(file), &about) == 0 && !S_ISREG(about.st_mode)) {
		fail(ai, "%s is not a file", path);
	} else {
		size_t got;
		while ((got = fread(bytes + length, 1, size - length, file)) > 0) {
			length += got;
			if (length < size)
				continue;
			char *larger = realloc(bytes, size *= 2);
			if (!larger)
				break;
			bytes = larger;
		}
		if (ferror(file) || !feof(file))
			fail(ai, "%s: %s", path, strerror(errno));
		else
			result = hbai_load(ai, bytes, length, model);
	}
	free(bytes);
	if (file)
		fclose(file);
	return result;
}

int hbai_free(hbai *ai, hbai_model *model)
{
	free(model->inputs);
	model->inputs = model->outputs = NULL;
	return ask(ai, CLOSE, model->handle, ROOM_MIN, NULL, 0, NULL);
}

int hbai_run(hbai *ai, const hbai_model *model, const hbai_tensor *inputs, unsigned count, hbai_tensor *results, unsigned most,
             uint32_t *microseconds)
{
	static const unsigned char padding[8];
	/* A description and the elements of each, what is between, and the counts. */
	part *parts = calloc(3 * (size_t)count + 1, sizeof *parts);
	unsigned char *fronts = calloc(count + 1, 8 + 4 * HBAI_RANK_MAX + HBAI_NAME_MAX + 8);
	unsigned char *at = fronts;
	unsigned parts_count = 0;
	uint32_t room = ROOM, needed;
	if (ai->longest > 0)
		room = ai->longest < ROOM_MIN ? ROOM_MIN : ai->longest;
	int result = -1;
	if (!parts || !fronts) {
		fail(ai, "no memory");
		goto out;
	}
	put16(at, count);
	parts[parts_count++] = (part){at, 8};
	at += 8;
	for (unsigned i = 0; i < count; i++) {
		const hbai_tensor *one = &inputs[i];
		size_t name = strlen(one->name), front = 8 + up(4 * one->rank + name);
		put16(at, (unsigned)name);
		at[2] = (unsigned char)one->type;
		at[3] = (unsigned char)one->rank;
		put32(at + 4, (uint32_t)one->bytes);
		for (unsigned k = 0; k < one->rank; k++)
			put32(at + 8 + 4 * k, one->sizes[k]);
		memcpy(at + 8 + 4 * one->rank, one->name, name);
		parts[parts_count++] = (part){at, front};
		parts[parts_count++] = (part){one->data, one->bytes};
		if (up(one->bytes) > one->bytes)
			parts[parts_count++] = (part){padding, up(one->bytes) - one->bytes};
		at += front;
	}
	/* Once more with the room that it needs. */
	needed = 0;
	result = ask(ai, RUN, model->handle, room, parts, parts_count, &needed);
	if (result < 0 && needed > 0)
		result = ask(ai, RUN, model->handle, needed, parts, parts_count, NULL);
	if (result == 0) {
		const unsigned char *from = ai->answer + HEADER, *end = ai->answer + get32(ai->answer);
		if (end - from < 8) {
			result = fail(ai, "the host's results are too short");
			goto out;
		}
		if (ai->longest < get32(ai->answer))
			ai->longest = get32(ai->answer);
		unsigned have = get16(from);
		if (microseconds)
			*microseconds = get32(from + 4);
		from += 8;
		for (unsigned i = 0; i < have && i < most; i++) {
			from = get_tensor(from, end, &results[i]);
			if (!from) {
				result = fail(ai, "the host's results are damaged");
				goto out;
			}
		}
		result = (int)(have < most ? have : most);
	}
out:
	free(parts);
	free(fronts);
	return result;
}

size_t hbai_size(int type)
{
	static const unsigned char sizes[] = {0, 4, 1, 1, 2, 2, 4, 8, 0, 1, 2, 8, 4, 8};
	return type > 0 && type < (int)sizeof sizes ? sizes[type] : 0;
}

const char *hbai_type_name(int type)
{
	static const char *const names[] = {"?", "float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool", "float16", "float64", "uint32", "uint64"};
	return type > 0 && type < (int)(sizeof names / sizeof *names) ? names[type] : names[0];
}

hbai_tensor hbai_make(const char *name, int type, const void *data, unsigned rank, const uint32_t *sizes)
{
	hbai_tensor tensor = {.type = type, .rank = rank, .data = data, .bytes = hbai_size(type)};
	snprintf(tensor.name, sizeof tensor.name, "%s", name);
	for (unsigned i = 0; i < rank && i < HBAI_RANK_MAX; i++) {
		tensor.sizes[i] = sizes[i];
		tensor.bytes *= sizes[i];
	}
	return tensor;
}
