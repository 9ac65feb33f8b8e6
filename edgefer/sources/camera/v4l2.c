// The functions of v4l2.h by ioctl.
//
// Reference: the kernel's Video for Linux API, chapters "Streaming I/O (Memory Mapping)" and "User Controls".
#ifndef _GNU_SOURCE
#define _GNU_SOURCE  // mremap
#endif
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#if defined(__has_include)
#if !__has_include(<linux/videodev2.h>)
#error "edgefer: no linux/videodev2.h; to fix: sudo apt install linux-libc-dev"
#endif
#endif
#include <linux/netlink.h>
#include <linux/videodev2.h>

#include "v4l2.h"

static int call(int device, unsigned long request, void* argument) {
  int result;
  do result = ioctl(device, request, argument);
  while (result < 0 && errno == EINTR);
  return result < 0 ? -errno : result;
}

static int several_planes(uint32_t type) { return type == V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE; }

static void copy_text(char* out, size_t size, const void* text) {
  memcpy(out, text, size);
  out[size - 1] = 0;
}

int camera_open(const char* path) {
  const int device = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  return device < 0 ? -errno : device;
}

int camera_close(int device) { return close(device) < 0 ? -errno : 0; }

int camera_identify(int device, struct camera_identity* out) {
  struct v4l2_capability answer = {0};
  const int result = call(device, VIDIOC_QUERYCAP, &answer);
  if (result < 0) return result;
  copy_text(out->driver, sizeof out->driver, answer.driver);
  copy_text(out->card, sizeof out->card, answer.card);
  copy_text(out->bus, sizeof out->bus, answer.bus_info);
  const uint32_t can = answer.capabilities & V4L2_CAP_DEVICE_CAPS ? answer.device_caps : answer.capabilities;
  out->capabilities = can;
  // A device that passes pictures through memory has both directions on one node, and is no camera.
  const int passes = can & (V4L2_CAP_VIDEO_M2M | V4L2_CAP_VIDEO_M2M_MPLANE);
  out->type = passes || !(can & V4L2_CAP_STREAMING) ? 0
              : can & V4L2_CAP_VIDEO_CAPTURE        ? V4L2_BUF_TYPE_VIDEO_CAPTURE
              : can & V4L2_CAP_VIDEO_CAPTURE_MPLANE ? V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE
                                                    : 0;
  return 0;
}

// ------------------------------------------------------------------------------------------ formats, sizes, rates

int camera_format_at(int device, uint32_t type, uint32_t index, struct camera_format* out) {
  struct v4l2_fmtdesc answer = {.index = index, .type = type};
  const int result = call(device, VIDIOC_ENUM_FMT, &answer);
  if (result < 0) return result;
  out->fourcc = answer.pixelformat;
  copy_text(out->description, sizeof out->description, answer.description);
  return 0;
}

int camera_size_at(int device, uint32_t fourcc, uint32_t index, struct camera_range* out) {
  struct v4l2_frmsizeenum answer = {.index = index, .pixel_format = fourcc};
  const int result = call(device, VIDIOC_ENUM_FRAMESIZES, &answer);
  if (result < 0) return result;
  if (answer.type == V4L2_FRMSIZE_TYPE_DISCRETE) {
    const struct v4l2_frmsize_discrete* size = &answer.discrete;
    *out = (struct camera_range){size->width, size->height, size->width, size->height, 1, 1};
    return 0;
  }
  if (index) return -EINVAL;  // a range is all there is
  const struct v4l2_frmsize_stepwise* range = &answer.stepwise;
  *out = (struct camera_range){range->min_width,  range->min_height, range->max_width,
                               range->max_height, range->step_width, range->step_height};
  return 0;
}

int camera_rate_at(int device, uint32_t fourcc, uint32_t width, uint32_t height, uint32_t index,
                   struct camera_rate* out) {
  struct v4l2_frmivalenum answer = {.index = index, .pixel_format = fourcc, .width = width, .height = height};
  const int result = call(device, VIDIOC_ENUM_FRAMEINTERVALS, &answer);
  if (result < 0) return result;
  struct v4l2_fract shortest = answer.discrete, longest = answer.discrete;
  if (answer.type != V4L2_FRMIVAL_TYPE_DISCRETE) {
    if (index) return -EINVAL;
    shortest = answer.stepwise.min;
    longest = answer.stepwise.max;
  }
  *out = (struct camera_rate){shortest.numerator, shortest.denominator, longest.numerator, longest.denominator};
  return 0;
}

int camera_set_layout(int device, uint32_t type, struct camera_layout* layout) {
  struct v4l2_format format = {.type = type};
  int result = call(device, VIDIOC_G_FMT, &format);  // what is not asked for stays as it is
  if (result < 0) return result;
  if (several_planes(type)) {
    struct v4l2_pix_format_mplane* pix = &format.fmt.pix_mp;
    pix->width = layout->width;
    pix->height = layout->height;
    pix->pixelformat = layout->fourcc;
    pix->field = V4L2_FIELD_ANY;
    memset(pix->plane_fmt, 0, sizeof pix->plane_fmt);
  } else {
    struct v4l2_pix_format* pix = &format.fmt.pix;
    pix->width = layout->width;
    pix->height = layout->height;
    pix->pixelformat = layout->fourcc;
    pix->field = V4L2_FIELD_ANY;
    pix->bytesperline = pix->sizeimage = 0;
  }
  result = call(device, VIDIOC_S_FMT, &format);
  if (result < 0) return result;
  if (several_planes(type)) {
    const struct v4l2_pix_format_mplane* pix = &format.fmt.pix_mp;
    *layout = (struct camera_layout){
        pix->width,     pix->height, pix->pixelformat, pix->plane_fmt[0].bytesperline, pix->plane_fmt[0].sizeimage,
        pix->num_planes};
  } else {
    const struct v4l2_pix_format* pix = &format.fmt.pix;
    *layout = (struct camera_layout){pix->width, pix->height, pix->pixelformat, pix->bytesperline, pix->sizeimage, 1};
  }
  return 0;
}

int camera_set_rate(int device, uint32_t type, uint32_t* over, uint32_t* under) {
  struct v4l2_streamparm parameters = {.type = type};
  int result = call(device, VIDIOC_G_PARM, &parameters);
  if (result < 0) return result;
  struct v4l2_fract* time = &parameters.parm.capture.timeperframe;
  if (parameters.parm.capture.capability & V4L2_CAP_TIMEPERFRAME) {
    time->numerator = *under;
    time->denominator = *over;
    result = call(device, VIDIOC_S_PARM, &parameters);
    if (result < 0) return result;
  }
  *over = time->denominator;
  *under = time->numerator;
  return 0;
}

// ------------------------------------------------------------------------------------------ streaming

// What a request about one buffer holds, for drivers of both kinds.
struct request {
  struct v4l2_buffer buffer;
  struct v4l2_plane planes[VIDEO_MAX_PLANES];
};

static void prepare(struct request* request, uint32_t type, uint32_t index) {
  memset(request, 0, sizeof *request);
  request->buffer.index = index;
  request->buffer.type = type;
  request->buffer.memory = V4L2_MEMORY_MMAP;
  if (several_planes(type)) {
    request->buffer.m.planes = request->planes;
    request->buffer.length = VIDEO_MAX_PLANES;
  }
}

int camera_request(int device, uint32_t type, uint32_t count) {
  struct v4l2_requestbuffers request = {.count = count, .type = type, .memory = V4L2_MEMORY_MMAP};
  const int result = call(device, VIDIOC_REQBUFS, &request);
  return result < 0 ? result : (int)request.count;
}

int camera_map(int device, uint32_t type, uint32_t index, struct camera_buffer* out) {
  struct request request;
  prepare(&request, type, index);
  const int result = call(device, VIDIOC_QUERYBUF, &request.buffer);
  if (result < 0) return result;
  const int planes = several_planes(type);
  const size_t length = planes ? request.planes[0].length : request.buffer.length;
  const off_t offset = planes ? request.planes[0].m.mem_offset : request.buffer.m.offset;
  void* data = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, device, offset);
  if (data == MAP_FAILED) return -errno;
  *out = (struct camera_buffer){data, length};
  return 0;
}

void camera_unmap(uint8_t* data, uint64_t length) { munmap(data, length); }

int camera_detach(uint8_t* data, uint64_t length) {
  void* copy = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (copy == MAP_FAILED) return -errno;
  memcpy(copy, data, length);
  // In one step, so that whoever reads the picture meanwhile reads the one or the other.
  if (mremap(copy, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, data) != MAP_FAILED) return 0;
  const int error = errno;
  munmap(copy, length);
  return -error;
}

int camera_start(int device, uint32_t type) {
  struct v4l2_event_subscription change = {.type = V4L2_EVENT_SOURCE_CHANGE};
  (void)call(device, VIDIOC_SUBSCRIBE_EVENT, &change);  // few drivers have it
  int wanted = (int)type;
  return call(device, VIDIOC_STREAMON, &wanted);
}

int camera_stop(int device, uint32_t type) {
  int wanted = (int)type;
  return call(device, VIDIOC_STREAMOFF, &wanted);
}

int camera_queue(int device, uint32_t type, uint32_t index) {
  struct request request;
  prepare(&request, type, index);
  return call(device, VIDIOC_QBUF, &request.buffer);
}

static void describe(const struct request* request, struct camera_frame* out) {
  const struct v4l2_buffer* buffer = &request->buffer;
  out->index = buffer->index;
  out->bytes = several_planes(buffer->type) ? request->planes[0].bytesused : buffer->bytesused;
  out->sequence = buffer->sequence;
  out->clock = (buffer->flags & V4L2_BUF_FLAG_TIMESTAMP_MASK) == V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
  out->stamp_ns = (int64_t)buffer->timestamp.tv_sec * 1000000000 + (int64_t)buffer->timestamp.tv_usec * 1000;
}

// Takes all frames that wait; 1 where one of them is whole, else -EAGAIN or what ended it.
static int take_newest(int device, uint32_t type, struct camera_frame* out) {
  int found = 0;
  for (;;) {
    struct request request;
    prepare(&request, type, 0);
    const int result = call(device, VIDIOC_DQBUF, &request.buffer);
    if (result == -EAGAIN) return found ? 1 : -EAGAIN;
    if (result < 0) {
      if (found) (void)camera_queue(device, type, out->index);
      return result;
    }
    uint32_t back = request.buffer.index;
    if (request.buffer.flags & V4L2_BUF_FLAG_ERROR) {
      ++out->damaged;
    } else {
      const uint32_t before = out->index;
      describe(&request, out);
      if (!found) {
        found = 1;
        continue;
      }
      back = before;
      ++out->passed;
    }
    const int queued = camera_queue(device, type, back);
    if (queued < 0) return queued;
  }
}

int camera_next(int device, uint32_t type, int wake, int timeout_ms, struct camera_frame* out) {
  out->passed = out->damaged = 0;
  struct pollfd polled[2] = {{.fd = device, .events = POLLIN | POLLPRI}, {.fd = wake, .events = POLLIN}};
  const int ready = poll(polled, 2, timeout_ms);
  if (ready < 0) return -errno;
  if (polled[1].revents) return -ECANCELED;
  if (!ready) return 0;
  const int result = take_newest(device, type, out);
  if (result != -EAGAIN) return result;
  if (polled[0].revents & POLLPRI) {
    struct v4l2_event event = {0};
    if (call(device, VIDIOC_DQEVENT, &event) == 0 && event.type == V4L2_EVENT_SOURCE_CHANGE) return -EPIPE;
  }
  // Nothing to take, and the driver says that it is no use to wait: its stream was stopped, or it is gone.
  if (polled[0].revents & (POLLERR | POLLHUP | POLLNVAL)) return -EPIPE;
  return -EAGAIN;  // what waited was damaged
}

// ------------------------------------------------------------------------------------------ controls

int camera_control_after(int device, uint32_t id, struct camera_control* out) {
  struct v4l2_query_ext_ctrl query = {.id = id | V4L2_CTRL_FLAG_NEXT_CTRL};
  const int result = call(device, VIDIOC_QUERY_EXT_CTRL, &query);
  if (result < 0) return result;
  *out = (struct camera_control){
      .id = query.id,
      .kind = query.flags & V4L2_CTRL_FLAG_DISABLED ? 0 : query.type,
      .inactive = !!(query.flags & V4L2_CTRL_FLAG_INACTIVE),
      .read_only = !!(query.flags & (V4L2_CTRL_FLAG_READ_ONLY | V4L2_CTRL_FLAG_GRABBED)),
      .low = query.minimum,
      .high = query.maximum,
      .step = (int64_t)query.step,
      .usual = query.default_value,
  };
  copy_text(out->name, sizeof out->name, query.name);
  struct v4l2_ext_control value = {.id = query.id};
  struct v4l2_ext_controls values = {.which = V4L2_CTRL_WHICH_CUR_VAL, .count = 1, .controls = &value};
  if (query.type == V4L2_CTRL_TYPE_CTRL_CLASS || query.flags & (V4L2_CTRL_FLAG_HAS_PAYLOAD | V4L2_CTRL_FLAG_WRITE_ONLY))
    return 0;
  if (call(device, VIDIOC_G_EXT_CTRLS, &values) == 0)
    out->value = query.type == V4L2_CTRL_TYPE_INTEGER64 ? value.value64 : value.value;
  return 0;
}

int camera_menu_at(int device, uint32_t id, uint32_t index, char* name, int64_t* value) {
  struct v4l2_querymenu query = {.id = id, .index = index};
  const int result = call(device, VIDIOC_QUERYMENU, &query);
  if (result < 0) return result;
  copy_text(name, sizeof query.name, query.name);
  *value = query.value;
  return 0;
}

int camera_set_control(int device, uint32_t id, uint32_t kind, int64_t value) {
  struct v4l2_ext_control control = {.id = id};
  if (kind == V4L2_CTRL_TYPE_INTEGER64)
    control.value64 = value;
  else
    control.value = (int32_t)value;
  struct v4l2_ext_controls controls = {.which = V4L2_CTRL_WHICH_CUR_VAL, .count = 1, .controls = &control};
  return call(device, VIDIOC_S_EXT_CTRLS, &controls);
}

// ------------------------------------------------------------------------------------------ events of devices

int camera_listen(void) {
  const int heard = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
  if (heard < 0) return -errno;
  // Group 1 is the kernel's own word, 2 that of udev, which comes once links and permissions are as they will be.
  struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = 1 | 2};
  if (bind(heard, (struct sockaddr*)&address, sizeof address) < 0) {
    const int error = errno;
    close(heard);
    return -error;
  }
  return heard;
}
