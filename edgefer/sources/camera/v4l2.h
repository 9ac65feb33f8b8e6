// Video4Linux2 as edgefer needs it: flat structures, and no difference between drivers of one plane and of several.
//
// cffi reads this file as it stands, so it holds declarations alone. Every function gives 0 or more, or an errno below
// zero; those that list something give 0 for an entry and -EINVAL after the last.

struct camera_identity {
  char driver[16], card[32], bus[32];
  uint32_t capabilities;  // of this node, not of the whole device
  uint32_t type;          // the kind of buffers it captures into; 0: it captures no pictures
};

struct camera_format {
  uint32_t fourcc;
  char description[32];
};

struct camera_range {  // sizes in pixels; of a discrete size both ends are the same
  uint32_t low_width, low_height, high_width, high_height, step_width, step_height;
};

struct camera_rate {  // seconds a frame, as fractions; of a discrete rate both ends are the same
  uint32_t shortest_over, shortest_under, longest_over, longest_under;
};

struct camera_layout {
  uint32_t width, height, fourcc;
  uint32_t row_bytes, bytes;  // of the first plane
  uint32_t planes;
};

struct camera_buffer {
  uint8_t* data;
  uint64_t length;
};

struct camera_frame {
  uint32_t index;     // of the buffer
  uint32_t bytes;     // that are filled
  uint32_t sequence;  // counted by the driver
  uint32_t clock;     // 1: the stamp is of CLOCK_MONOTONIC
  int64_t stamp_ns;
  uint32_t passed;   // older frames that went back unread
  uint32_t damaged;  // frames that the driver marked as damaged, which went back too
};

struct camera_control {
  uint32_t id, kind, inactive, read_only;
  char name[32];
  int64_t low, high, step, usual, value;
};

int camera_open(const char* path);
int camera_close(int device);
int camera_identify(int device, struct camera_identity* out);
int camera_format_at(int device, uint32_t type, uint32_t index, struct camera_format* out);
int camera_size_at(int device, uint32_t fourcc, uint32_t index, struct camera_range* out);
int camera_rate_at(int device, uint32_t fourcc, uint32_t width, uint32_t height, uint32_t index,
                   struct camera_rate* out);

// In: what is wanted. Out: what the driver gives.
int camera_set_layout(int device, uint32_t type, struct camera_layout* layout);
// Rate wanted as over/under frames a second; out the one the driver gives, 0/0 where it has none.
int camera_set_rate(int device, uint32_t type, uint32_t* over, uint32_t* under);

// Gives how many buffers there are, which may be more or fewer than wanted.
int camera_request(int device, uint32_t type, uint32_t count);
int camera_map(int device, uint32_t type, uint32_t index, struct camera_buffer* out);
void camera_unmap(uint8_t* data, uint64_t length);
// Puts a copy in memory of this process in the place of a buffer: a mapping keeps its device open, and busy.
int camera_detach(uint8_t* data, uint64_t length);
int camera_start(int device, uint32_t type);
int camera_stop(int device, uint32_t type);
int camera_queue(int device, uint32_t type, uint32_t index);

// Waits for a frame and takes the newest; older ones that wait too go back to the driver.
// Gives 1: there is one. 0: none came in time. -ECANCELED: `wake` became readable. -ENODEV: the camera is gone.
// -EPIPE: its stream was reset or its signal changed. -EINTR: a signal came.
int camera_next(int device, uint32_t type, int wake, int timeout_ms, struct camera_frame* out);

// The control after one id; 0 begins.
int camera_control_after(int device, uint32_t id, struct camera_control* out);
int camera_menu_at(int device, uint32_t id, uint32_t index, char* name, int64_t* value);
int camera_set_control(int device, uint32_t id, uint32_t kind, int64_t value);

// Events of devices: a socket that hears what the kernel and udev say. Gives the socket.
int camera_listen(void);
