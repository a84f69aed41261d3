/*
 * The parts of init and what each offers to the others, in the order in which a zone's life meets them. The protocol that
 * init speaks is in doc/format/zone-protocol.md.
 */
#ifndef SHALE_ZONE_H
#define SHALE_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FRAME_LIMIT 65536             /* bytes of payload in one frame */
#define MESSAGE_LIMIT (4 * 1024 * 1024) /* bytes of a message of many frames */
#define QUEUE_HIGH 65536              /* a channel with so much unsent takes no more output */
#define INPUT_WINDOW 65536            /* bytes of stdin that may be under way */
#define LINE_WINDOW 2048              /* on a serial line, whose driver may stop for good once its 4096 are full */
#define RECORD_LIMIT 32768            /* bytes of one record of the journal */

enum from_host { HELLO = 1, MORE, BOOT, RUN, EXEC, ATTACH, STDIN, STDIN_END, WINDOW, SIGNAL, STOP, COMMIT, STATUS };
enum from_guest {
	WELCOME = 65, MORE_FROM_GUEST, BOOTED, STARTED, STDOUT, STDERR, GRANT, EXIT, FAIL, ENTRY, DATA, COMMITTED,
	STATUS_FROM_GUEST
};
enum zone_state { ZONE_EMPTY, ZONE_MOUNTED, ZONE_RUNNING, ZONE_ENDED };
enum exit_flag { EXIT_OUT_OF_MEMORY = 1, EXIT_TIME_LIMIT = 2 };

/* Marks places that init has made to mount on, so that they are not taken for changes of the workload. */
#define PLACEHOLDER "trusted.shale.placeholder"

/* buffer.c: bytes between start and end of a block that grows. */
struct buffer {
	uint8_t *bytes;
	size_t start, end, room;
};
uint8_t *buffer_space(struct buffer *buffer, size_t length); /* room after the end; never fails */
void buffer_append(struct buffer *buffer, const void *bytes, size_t length);
void buffer_consume(struct buffer *buffer, size_t length);
void buffer_clear(struct buffer *buffer); /* and gives a large block back */
static inline size_t buffer_length(const struct buffer *buffer) { return buffer->end - buffer->start; }

/* text.c: short strings without stdio. */
struct text {
	char bytes[512];
	size_t length;
};
void text_add(struct text *text, const char *string);
void text_number(struct text *text, uint64_t number);
const char *text_of(struct text *text);
void text_join(struct text *text, const char *first, const char *second, const char *third);
bool parse_number(const char *text, uint64_t limit, uint64_t *number); /* decimal digits only, up to the limit */
ssize_t read_small_file(const char *path, char *into, size_t room);    /* ends with NUL */
bool write_file(const char *path, const char *content);

/* failure.c: why something could not be done, kept until it is told. */
struct failure {
	const char *what;
	int error;
	struct text text;
};
extern struct failure failure;
bool failed(const char *what, int error, const char *doing, const char *name); /* notes it and gives false */
void failure_fields(struct buffer *out);
_Noreturn void die(const char *why); /* last words on the console, and off */

/* fields.c */
#define FIELD_HEADER 5 /* a value is read to where its header was */
struct fields {
	uint8_t *bytes;
	size_t length;
};
struct field {
	uint8_t tag;
	char *value; /* ends with a NUL that is not part of it */
	size_t length;
};
enum next { FIELD, NO_FIELD, BAD_FIELD };
enum next next_field(struct fields *fields, struct field *field);
bool field_number(const struct field *field, uint64_t *number);
bool field_text(const struct field *field); /* no NUL inside */
void add_field(struct buffer *out, uint8_t tag, const void *value, size_t length);
void add_number_field(struct buffer *out, uint8_t tag, uint64_t number);
void add_text_field(struct buffer *out, uint8_t tag, const char *text);

/* frame.c */
struct channel;
void put_number(uint8_t *to, uint64_t number, int bytes);
uint64_t get_number(const uint8_t *from, int bytes);
void frame_header(uint8_t *to, uint8_t type, size_t length);
void append_message(struct buffer *out, uint8_t type, const void *payload, size_t length);
void parse_frames(struct channel *channel);

/* channel.c and port.c */
struct process;
struct channel {
	struct channel *next;
	int fd;
	enum { CHANNEL_VIRTIO, CHANNEL_SOCKET, CHANNEL_TTY } kind;
	int number;
	bool readable, writable; /* until the kernel says that it would block */
	bool hung_up;
	bool synced;             /* a HELLO was seen, and only whole frames since */
	bool awaits_exit;        /* is told of the workload's end */
	bool told_exit;
	int64_t hang_up_at;      /* when it counts that nobody is at the other end; 0: somebody is */
	int64_t write_at;        /* when a serial line is tried again; 0: it is not blocked */
	int64_t stale_at;        /* when an unfinished frame is too old to be whole; 0: there is none */
	struct buffer in, message, out;
	struct process *process; /* whose streams it carries */
	bool commits;
};
extern struct channel *channels;
extern int channel_events; /* an epoll descriptor */
void channel_add(int fd, int kind, int number);
void channel_collect(void);                  /* notes which are ready */
bool channel_work(void);                     /* reads, handles and writes; true if there may be more to do */
void channel_forget(struct channel *channel); /* ends the conversation */
void channel_flush(struct channel *channel);
bool channel_full(const struct channel *channel);
void send_message(struct channel *channel, uint8_t type, const void *payload, size_t length);
void send_number(struct channel *channel, uint8_t type, uint32_t number);
void send_failure(struct channel *channel);
void ports_prepare(void); /* before modules are loaded */
void ports_open(void);
void ports_work(void); /* opens what has appeared since */
extern int port_events;     /* tells of virtio ports, or takes vsock connections; -1 none */
const char *command_line(const char *name); /* the value of a word of the kernel's command line, or NULL */

/* conversation.c */
void greet(struct channel *channel, const uint8_t *nonce);
void protocol_error(struct channel *channel, const char *why);
void handle(struct channel *channel, uint8_t type, uint8_t *payload, size_t length);

/* boot.c, modules.c, verity.c */
enum boot_time { TIME_INIT, TIME_MODULES, TIME_CHANNEL, TIME_IMAGE, TIMES };
extern uint64_t boot_times[TIMES];
extern enum zone_state zone_state;
uint64_t now_nanoseconds(int clock);
int64_t now_milliseconds(void);
void load_modules(void);
bool boot_image(struct fields fields);
bool verity_open(char *parameters, uint64_t sectors, struct text *device);
bool device_path(const struct field *name, struct text *path);

/* run.c: what a zone is made of, and its workload. */
bool run_prepare(void);
bool run_zone(struct channel *channel, struct fields fields);
struct plan;
struct plan *plan_read(struct fields fields); /* NULL: no memory */

/* root.c, device.c, path.c, volume.c: the filesystem that the workload sees. */
struct mount_request {
	char kind; /* 'v' volume, 't' tmpfs, 'f' file, 'o' file if there is something at its path */
	char *device, *type, *path, *content;
	size_t length;
	bool read_only;
};
struct root {
	bool read_only;
	const char *directory; /* that the workload starts in, made while it can be; or NULL */
	bool console; /* terminal number of the workload */
	int terminal;
	char machine_id[34];
	struct mount_request *mounts;
	size_t mount_count;
};
bool upper_prepare(void);
bool upper_mount(uint64_t bytes, const char *device);
bool volumes_mount(const struct root *root);
bool file_expect(char kind, const char *path); /* one that RUN will have content for */
bool root_enter(void); /* in the workload's mount namespace */
bool root_furnish(struct root *root);
bool devices_make(int root);
bool console_make(int terminal);
bool mount_at(int target, const char *source, const char *type, unsigned long flags, const char *data);
bool mount_options(char *options, unsigned long *flags, struct text *data);
enum path_kind { PATH_DIRECTORY, PATH_FILE };
int path_find(int root, const char *path); /* O_PATH, never outside of root nor it itself; -1 */
int path_make(int root, const char *path, enum path_kind kind);
bool flush_device(const char *path);
void volumes_release(void);

/* network.c */
bool network_up(const char *address, const char *gateway);

/* journal.c */
bool journal_open(const char *device);
void journal_write(int stream, const uint8_t *bytes, size_t length);
void journal_end(int status, int signal, int flags);
void journal_fail(void);
void journal_flush(bool now);
int64_t journal_due(void); /* when it wants to be flushed; -1 never */

/* process.c, spawn.c, terminal.c, user.c, reaper.c */
struct program {
	char **arguments;
	char **variables;
	size_t argument_count, variable_count, argument_room, variable_room;
	char *directory;
	char *user;
	bool terminal, input, first;
	uint16_t rows, columns;
};
struct process {
	struct process *next;
	pid_t pid;               /* 0 before it is started */
	struct channel *channel; /* that carries its streams, or NULL */
	bool is_workload, terminal;
	int input, output, errors; /* init's ends; -1 closed. Those of a terminal are one */
	int slave;                 /* the other end of its terminal, held so that it is never hung up while the program runs */
	int report;                /* tells how its start went; -1 when that is known */
	int32_t number;            /* its id in the zone */
	bool output_ready, errors_ready, report_ready;
	struct buffer pending;     /* of stdin */
	size_t granted;            /* that the host may still send */
	bool wants_input, input_ended;
	bool started, exited;
	int status;
	int64_t kill_at;           /* milliseconds; 0 never */
};
extern struct process *processes;
extern struct process *workload;
enum report_kind { REPORT_NUMBER, REPORT_READY, REPORT_FAILURE };
struct report {
	uint32_t kind;
	int32_t number;
	char what[16];
	char text[360];
};
bool program_field(struct program *program, struct field *field); /* false: not a field of a program, or a wrong one */
bool program_ready(struct program *program);
void program_free(struct program *program);
struct streams {
	int input, output, errors; /* the process's ends, -1 none */
	int terminal;              /* its number, or -1 */
	int report;
};
struct process *process_new(struct channel *channel, bool is_workload);
bool terminal_streams(struct process *process, const struct program *program, struct streams *streams);
bool process_open(struct process *process, const struct program *program, struct streams *streams);
void streams_close(struct streams *streams);
void process_remove(struct process *process);
void process_attach(struct process *process, struct channel *channel);
void process_detach(struct channel *channel);
void process_input(struct channel *channel, const uint8_t *bytes, size_t length);
void process_input_end(struct channel *channel);
bool process_drained(const struct process *process);
void processes_work(void);
pid_t clone_process(uint64_t flags, int *descriptor);
pid_t spawn_inside(void);
bool spawn(struct process *process, const struct program *program, struct streams *streams);
_Noreturn void become(const struct program *program, const struct streams *streams);
_Noreturn void reap(void);
void report_send(int report, enum report_kind kind, int number, const char *what, const char *text);

/* waiting.c: the zone's process 1 and its workload, made before the zone is known. */
#define MOUNTS_LIMIT 256
struct plan {
	bool valid;
	struct field entropy;
	uint64_t clock, upper_size, time_limit;
	const char *host_name, *address, *gateway;
	struct text upper_device, journal;
	struct text devices[MOUNTS_LIMIT];
	struct root root;
	struct mount_request mounts[MOUNTS_LIMIT + 1];
	struct program program;
};
bool zone_prepare(void);
void zone_discard(void);
bool zone_start(struct process *process, const struct program *program, struct fields fields);
extern pid_t zone_process; /* process 1 of the workload's namespace; 0 before it starts and after it has ended */
extern int zone_descriptor;

bool terminals_mount(void);
int terminal_open(uint16_t rows, uint16_t columns, int *number);
int terminal_slave(int terminal);
void terminal_resize(int terminal, uint16_t rows, uint16_t columns);
char terminal_end_character(int terminal);
struct identity {
	uint32_t user, group;
	uint32_t groups[1024];
	size_t group_count;
	char home[256];
};
bool find_user(const char *specification, struct identity *identity);

/* end.c */
void end_time_limit(uint64_t milliseconds);
void end_request(struct channel *channel, uint32_t signal, uint32_t grace);
void end_failed(void); /* BOOT or RUN has failed: the zone ends */
void end_work(void);
void reap_children(void);
int64_t end_due(void);
void tell_exit(struct channel *channel);
void zone_signal(struct channel *channel, uint32_t signal);

/* commit.c, changes.c, status.c, cgroup.c */
struct watch;
void commit_start(struct channel *channel);
void commit_work(void);
void commit_stop(struct channel *channel);
void commit_watch(struct watch *all);
bool commit_owns(pid_t pid);
bool commit_active(void);
_Noreturn void changes_send(int frames);
void status_fields(struct buffer *out);
uint64_t out_of_memory_kills(void);
void cgroup_prepare(void);
extern int cgroup_descriptor; /* of the zone's control group; -1 there is none */
void freeze(bool frozen);
size_t each_process(void (*visit)(pid_t pid, int argument), int argument);

/* main.c: the descriptors that the loop waits for, each with what is set when it is ready. */
void watch(struct watch *watch, int fd, short events, bool *ready);

#endif
