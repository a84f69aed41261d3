/*
 * The journal: what the workload wrote last and how it ended, on a disk of a fixed size, for whoever looks when the zone is
 * gone. It is kept in memory and written in whole blocks past the page cache, seldom, so that output is not slowed down by it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "kernel.h"
#include "zone.h"

#define BLOCK 4096
#define LARGEST (64 * 1024 * 1024)
#define RECORD_HEADER 16
#define EVERY 50 /* milliseconds */
#define REASON_LIMIT 1024
enum header { H_VERSION = 8, H_STATE = 12, H_START = 16, H_END = 24, H_STATUS = 32, H_SIGNAL = 36, H_FLAGS = 40,
	H_OLDEST = 48, H_NEWEST = 56, H_REASON_LENGTH = 64, H_REASON = 68 };

static int device = -1;
static uint8_t *memory; /* as the device: header block, then the ring */
static size_t ring;
static uint64_t oldest, newest, written; /* positions; what is before `written` is on the disk */
static uint64_t oldest_on_disk;
static bool dirty;
static int64_t next_flush;

static void ring_copy(uint64_t position, uint8_t *bytes, size_t length, bool out)
{
	while (length > 0) {
		size_t at = position % ring, part = ring - at < length ? ring - at : length;
		if (out)
			memcpy(bytes, memory + BLOCK + at, part);
		else
			memcpy(memory + BLOCK + at, bytes, part);
		position += part;
		bytes += part;
		length -= part;
	}
}

static void write_blocks(size_t from, size_t length)
{
	if (pwrite(device, memory + from, length, (off_t)from) != (ssize_t)length) {
		close(device); /* a broken disk does not stop the workload */
		device = -1;
	}
}

static void write_header(void)
{
	put_number(memory + H_OLDEST, oldest, 8);
	write_blocks(0, BLOCK);
	oldest_on_disk = oldest;
}

static void write_ring(uint64_t from, uint64_t to)
{
	if (to - from >= ring)
		from = to - ring;
	while (from < to) {
		size_t at = from % ring, part = ring - at < to - from ? ring - at : (size_t)(to - from);
		size_t first = at / BLOCK * BLOCK, last = (at + part + BLOCK - 1) / BLOCK * BLOCK;
		write_blocks(BLOCK + first, last - first);
		from += part;
	}
}

void journal_flush(bool now)
{
	if (device < 0 || !dirty || (!now && now_milliseconds() < next_flush))
		return;
	/* Records that are about to be overwritten leave the index first: a cut in between shows no half ones. */
	if (oldest != oldest_on_disk)
		write_header();
	write_ring(written, newest);
	written = newest;
	put_number(memory + H_NEWEST, newest, 8);
	if (device >= 0)
		write_header();
	dirty = false;
	next_flush = now_milliseconds() + EVERY;
}

int64_t journal_due(void)
{
	return device >= 0 && dirty ? next_flush : -1;
}

bool journal_open(const char *path)
{
	uint64_t size = 0;
	device = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (device < 0 || ioctl(device, BLKGETSIZE64, &size) != 0)
		return failed("mount", errno, "opening the journal", path);
	if (size > LARGEST)
		size = LARGEST;
	size = size / BLOCK * BLOCK;
	if (size < 2 * RECORD_LIMIT + BLOCK)
		return failed("mount", 0, "the journal is too small:", path);
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return failed("mount", errno, "memory for the journal", "");
	ring = size - BLOCK;
	memcpy(memory, "SHALEJNL", 8);
	put_number(memory + H_VERSION, 1, 4);
	put_number(memory + H_STATE, 1, 4);
	put_number(memory + H_START, now_nanoseconds(CLOCK_REALTIME), 8);
	dirty = true; /* the workload need not wait for the disk */
	next_flush = now_milliseconds() + EVERY;
	return true;
}

static void make_room(uint64_t length)
{
	while (newest + length - oldest > ring) {
		uint8_t header[RECORD_HEADER];
		ring_copy(oldest, header, sizeof header, true);
		oldest += RECORD_HEADER + get_number(header + 8, 4);
	}
}

void journal_write(int stream, const uint8_t *bytes, size_t length)
{
	uint8_t header[RECORD_HEADER] = { 0 };
	if (device < 0 || length == 0)
		return;
	put_number(header, now_nanoseconds(CLOCK_REALTIME), 8);
	put_number(header + 8, length, 4);
	header[12] = (uint8_t)stream;
	make_room(sizeof header + length);
	ring_copy(newest, header, sizeof header, false);
	ring_copy(newest + sizeof header, (uint8_t *)(uintptr_t)bytes, length, false);
	newest += sizeof header + length;
	if (!dirty && next_flush < now_milliseconds())
		next_flush = now_milliseconds() + EVERY;
	dirty = true;
}

void journal_end(int status, int signal, int flags)
{
	if (device < 0)
		return;
	if (get_number(memory + H_STATE, 4) != 3)
		put_number(memory + H_STATE, 2, 4);
	put_number(memory + H_END, now_nanoseconds(CLOCK_REALTIME), 8);
	put_number(memory + H_STATUS, (uint64_t)status, 4);
	put_number(memory + H_SIGNAL, (uint64_t)signal, 4);
	put_number(memory + H_FLAGS, (uint64_t)flags, 4);
	dirty = true;
	journal_flush(true);
}

void journal_fail(void)
{
	struct buffer reason = { 0 };
	if (device < 0)
		return;
	failure_fields(&reason);
	size_t length = buffer_length(&reason) < REASON_LIMIT ? buffer_length(&reason) : REASON_LIMIT;
	put_number(memory + H_STATE, 3, 4);
	put_number(memory + H_END, now_nanoseconds(CLOCK_REALTIME), 8);
	put_number(memory + H_REASON_LENGTH, length, 4);
	memcpy(memory + H_REASON, reason.bytes, length);
	dirty = true;
	journal_flush(true);
}
