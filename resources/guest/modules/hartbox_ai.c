// SPDX-License-Identifier: GPL-2.0-only
/*
 * Inference by the host of a Hartbox box (docs/ai.md of Hartbox): /dev/hartbox-ai.
 *
 * What is written to the device is a stream of requests, what is read from it one of answers. Each opening is a program of its own to the host,
 * which forgets what it had when it is closed. A program that maps the device shares that memory with
 * the host: HBAI_SEND takes a request from there, and puts the answer there.
 */
#include <linux/idr.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/wait.h>
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#include <linux/unaligned.h>
#else
#include <asm/unaligned.h>
#endif

#define VIRTIO_ID_HARTBOX_AI 0x3e
#define HBAI_VERSION 1
#define HBAI_HEADER 24
#define HBAI_LEAVE 7
/* Where the header says 0. */
#define HBAI_ROOM 65536
/* Pieces of memory are as large as this if the system has such. */
#define HBAI_ORDER 8
/* Of a request and of its answer: the host takes tables of 1024. */
#define HBAI_PIECES 500
/* Requests of one program that are not read yet. */
#define HBAI_PENDING 16
/* A program's last request is used again, unless it is larger. */
#define HBAI_SPARE (8 << 20)

/* A request in mapped memory, and room for its answer: bytes from the start of the memory, and how many. read() then gives the answer's header alone. */
struct hbai_send {
	__u32 message, length, answer, room;
};
#define HBAI_SEND _IOW('H', 0xa1, struct hbai_send)

struct hbai {
	struct kref users;
	struct virtio_device *vdev;
	struct virtqueue *queue;
	/* Of the queue, of lists of answers, and of `gone`. */
	spinlock_t lock;
	/* The queue has room, or the device is gone. */
	wait_queue_head_t room;
	struct miscdevice misc;
	struct ida numbers;
	u32 message_max;
	u32 clients_max;
	bool gone;
};

struct hbai_piece {
	struct page *pages;
	unsigned int order;
};

struct hbai_memory {
	struct hbai_piece *pieces;
	unsigned int count;
	/* Bytes of the pieces. */
	size_t size;
};

/* Memory that a program has mapped, and that lives as long as it, a mapping or a request wants it. */
struct hbai_window {
	struct kref users;
	struct hbai_memory memory;
};

/* Bytes of such memory. */
struct hbai_span {
	const struct hbai_memory *memory;
	size_t at, length;
};

struct hbai_client {
	struct kref users;
	struct hbai *ai;
	int number;
	/* One writes, and one reads, at a time. */
	struct mutex writing, reading;
	wait_queue_head_t wait;
	struct list_head answers;
	/* Requests that are not read yet. */
	unsigned int pending;
	/* Its memory has been this program's alone. */
	struct hbai_request *spare;
	struct hbai_window *window;
	bool closed;
	/* What is being written. */
	u8 header[HBAI_HEADER];
	size_t written;
	struct hbai_request *request;
	/* Tells the host that this program has gone. */
	struct hbai_request *leave;
};

struct hbai_request {
	struct list_head list;
	struct hbai_client *client;
	/* Memory of its own for the message and the answer, or a part of the program's window for each. */
	struct hbai_memory own[2];
	struct hbai_window *window;
	struct hbai_span message, answer;
	__le32 prefix[2];
	/* Of the answer: its bytes, and those that have been read. */
	size_t length, read;
};

static void hbai_free_memory(struct hbai_memory *memory)
{
	unsigned int i;

	for (i = 0; i < memory->count; i++)
		__free_pages(memory->pieces[i].pages, memory->pieces[i].order);
	kvfree(memory->pieces);
	memset(memory, 0, sizeof(*memory));
}

static int hbai_allocate(struct hbai_memory *memory, size_t length, gfp_t zero)
{
	unsigned int order = min_t(unsigned int, HBAI_ORDER, get_order(length));
	size_t left = length;

	memory->pieces = kvcalloc(HBAI_PIECES, sizeof(*memory->pieces), GFP_KERNEL);
	if (!memory->pieces)
		return -ENOMEM;
	while (left > 0 && memory->count < HBAI_PIECES) {
		struct hbai_piece *piece = &memory->pieces[memory->count];

		order = min_t(unsigned int, order, get_order(left));
		piece->pages = alloc_pages(GFP_KERNEL | zero | __GFP_NOWARN | (order ? __GFP_NORETRY : 0), order);
		if (!piece->pages) {
			if (order == 0)
				break;
			order--;
			continue;
		}
		piece->order = order;
		memory->count++;
		memory->size += PAGE_SIZE << order;
		left -= min_t(size_t, left, PAGE_SIZE << order);
	}
	if (left == 0)
		return 0;
	hbai_free_memory(memory);
	return -ENOMEM;
}

static void hbai_free_window(struct kref *users)
{
	struct hbai_window *window = container_of(users, struct hbai_window, users);

	hbai_free_memory(&window->memory);
	kfree(window);
}

static void hbai_put_window(struct hbai_window *window)
{
	if (window)
		kref_put(&window->users, hbai_free_window);
}

/* The bytes from `at` on that lie in one piece. */
static void *hbai_at(const struct hbai_span *span, size_t at, size_t *length)
{
	const struct hbai_memory *memory = span->memory;
	unsigned int i;

	at += span->at;
	for (i = 0; i < memory->count; i++) {
		size_t size = PAGE_SIZE << memory->pieces[i].order;

		if (at < size) {
			*length = min(*length, size - at);
			return page_address(memory->pieces[i].pages) + at;
		}
		at -= size;
	}
	*length = 0;
	return NULL;
}

static void hbai_scatter(const struct hbai_span *span, struct scatterlist *list)
{
	const struct hbai_memory *memory = span->memory;
	size_t skip = span->at, left = span->length;
	unsigned int i, used = 0;

	sg_init_table(list, memory->count);
	for (i = 0; left > 0; i++) {
		size_t size = PAGE_SIZE << memory->pieces[i].order;

		if (skip >= size) {
			skip -= size;
			continue;
		}
		size = min_t(size_t, left, size - skip);
		sg_set_page(&list[used++], memory->pieces[i].pages + (skip >> PAGE_SHIFT), size, offset_in_page(skip));
		skip = 0;
		left -= size;
	}
	sg_mark_end(&list[used - 1]);
}

static void hbai_destroy(struct kref *users)
{
	struct hbai *ai = container_of(users, struct hbai, users);

	ida_destroy(&ai->numbers);
	kfree(ai);
}

static void hbai_free_client(struct kref *users)
{
	struct hbai_client *client = container_of(users, struct hbai_client, users);

	ida_free(&client->ai->numbers, client->number);
	kref_put(&client->ai->users, hbai_destroy);
	kfree(client);
}

/* May sleep. */
static void hbai_free_request(struct hbai_request *request)
{
	if (!request)
		return;
	hbai_free_memory(&request->own[0]);
	hbai_free_memory(&request->own[1]);
	hbai_put_window(request->window);
	if (request->client)
		kref_put(&request->client->users, hbai_free_client);
	kfree(request);
}

/* The program's last request, if it has room enough. What its answer does not write over is what the program has read before. */
static struct hbai_request *hbai_use_again(struct hbai_client *client, size_t length, size_t room)
{
	struct hbai_request *request;

	spin_lock_irq(&client->ai->lock);
	request = client->spare;
	client->spare = NULL;
	spin_unlock_irq(&client->ai->lock);
	if (!request)
		return NULL;
	if (request->own[0].size < length || request->own[1].size < room) {
		hbai_free_request(request);
		return NULL;
	}
	request->message.length = length;
	request->answer.length = room;
	request->read = 0;
	return request;
}

/* An answer has been read. */
static void hbai_keep_request(struct hbai_client *client, struct hbai_request *request)
{
	if (!request->window && request->own[0].size + request->own[1].size <= HBAI_SPARE) {
		spin_lock_irq(&client->ai->lock);
		swap(client->spare, request);
		spin_unlock_irq(&client->ai->lock);
	}
	hbai_free_request(request);
}

/* Without memory for what it says. */
static struct hbai_request *hbai_make_empty(struct hbai_client *client)
{
	struct hbai_request *request = kzalloc(sizeof(*request), GFP_KERNEL);

	if (!request)
		return NULL;
	kref_get(&client->users);
	request->client = client;
	request->prefix[0] = cpu_to_le32(client->number);
	return request;
}

static struct hbai_request *hbai_make_request(struct hbai_client *client, size_t length, size_t room)
{
	struct hbai_request *request = hbai_use_again(client, length, room);

	if (request)
		return request;
	request = hbai_make_empty(client);
	if (!request)
		return NULL;
	/* The host writes the answer; nothing of others is to be seen where it does not. */
	if (hbai_allocate(&request->own[0], length, 0) || hbai_allocate(&request->own[1], room, __GFP_ZERO)) {
		hbai_free_request(request);
		return NULL;
	}
	request->message = (struct hbai_span){ &request->own[0], 0, length };
	request->answer = (struct hbai_span){ &request->own[1], 0, room };
	return request;
}

/* 0, -ENOSPC while the queue is full, -ENODEV when there is no device any more, -ENOMEM. */
static int hbai_submit(struct hbai *ai, struct hbai_request *request)
{
	struct scatterlist prefix, *in, *out, *lists[3];
	unsigned long flags;
	int error = -ENODEV;

	out = kvmalloc_array(request->message.memory->count, sizeof(*out), GFP_KERNEL);
	in = kvmalloc_array(request->answer.memory->count, sizeof(*in), GFP_KERNEL);
	if (!out || !in) {
		error = -ENOMEM;
		goto free;
	}
	sg_init_one(&prefix, request->prefix, sizeof(request->prefix));
	hbai_scatter(&request->message, out);
	hbai_scatter(&request->answer, in);
	lists[0] = &prefix;
	lists[1] = out;
	lists[2] = in;

	spin_lock_irqsave(&ai->lock, flags);
	if (!ai->gone) {
		error = virtqueue_add_sgs(ai->queue, lists, 2, 1, request, GFP_ATOMIC);
		if (!error)
			virtqueue_kick(ai->queue);
	}
	spin_unlock_irqrestore(&ai->lock, flags);
free:
	kvfree(out);
	kvfree(in);
	return error;
}

/* Requests whose program has gone are freed where one may sleep. */
static LIST_HEAD(hbai_orphans);
static DEFINE_SPINLOCK(hbai_orphans_lock);

static void hbai_free_orphans(struct work_struct *work)
{
	struct hbai_request *request, *next;
	LIST_HEAD(orphans);

	spin_lock_irq(&hbai_orphans_lock);
	list_splice_init(&hbai_orphans, &orphans);
	spin_unlock_irq(&hbai_orphans_lock);
	list_for_each_entry_safe(request, next, &orphans, list)
		hbai_free_request(request);
}
static DECLARE_WORK(hbai_orphans_work, hbai_free_orphans);

static void hbai_answered(struct virtqueue *queue)
{
	struct hbai *ai = queue->vdev->priv;
	struct hbai_request *request;
	unsigned long flags;
	unsigned int length;

	spin_lock_irqsave(&ai->lock, flags);
	while ((request = virtqueue_get_buf(queue, &length))) {
		request->length = min_t(size_t, length, request->answer.length);
		if (request->client->closed) {
			spin_lock(&hbai_orphans_lock);
			list_add_tail(&request->list, &hbai_orphans);
			spin_unlock(&hbai_orphans_lock);
			schedule_work(&hbai_orphans_work);
		} else {
			list_add_tail(&request->list, &request->client->answers);
			wake_up(&request->client->wait);
		}
	}
	spin_unlock_irqrestore(&ai->lock, flags);
	wake_up_all(&ai->room);
}

static int hbai_open(struct inode *inode, struct file *file)
{
	struct hbai *ai = container_of(file->private_data, struct hbai, misc);
	struct hbai_client *client;
	size_t length = HBAI_HEADER;
	u8 *header;

	client = kzalloc(sizeof(*client), GFP_KERNEL);
	if (!client)
		return -ENOMEM;
	client->number = ida_alloc_max(&ai->numbers, ai->clients_max - 1, GFP_KERNEL);
	if (client->number < 0) {
		kfree(client);
		return -EBUSY;
	}
	kref_init(&client->users);
	kref_get(&ai->users);
	client->ai = ai;
	mutex_init(&client->writing);
	mutex_init(&client->reading);
	init_waitqueue_head(&client->wait);
	INIT_LIST_HEAD(&client->answers);
	client->leave = hbai_make_request(client, HBAI_HEADER, PAGE_SIZE);
	if (!client->leave) {
		kref_put(&client->users, hbai_free_client);
		return -ENOMEM;
	}
	header = hbai_at(&client->leave->message, 0, &length);
	put_unaligned_le32(HBAI_HEADER, header);
	put_unaligned_le16(HBAI_LEAVE, header + 4);
	put_unaligned_le32(PAGE_SIZE, header + 16);
	file->private_data = client;
	return stream_open(inode, file);
}

static int hbai_release(struct inode *inode, struct file *file)
{
	struct hbai_client *client = file->private_data;
	struct hbai *ai = client->ai;
	struct hbai_request *request, *next;
	LIST_HEAD(answers);
	int error;

	hbai_free_request(client->request);
	hbai_free_request(client->spare);
	hbai_put_window(client->window);
	spin_lock_irq(&ai->lock);
	client->closed = true;
	list_splice_init(&client->answers, &answers);
	spin_unlock_irq(&ai->lock);
	list_for_each_entry_safe(request, next, &answers, list)
		hbai_free_request(request);

	wait_event(ai->room, (error = hbai_submit(ai, client->leave)) != -ENOSPC);
	if (error)
		hbai_free_request(client->leave);
	kref_put(&client->users, hbai_free_client);
	return 0;
}

/* A request is whole: hand it to the host, whose it is then. */
static int hbai_send(struct hbai_client *client, struct hbai_request *request, bool may_wait)
{
	struct hbai *ai = client->ai;
	int error;

	/* Who does not read its answers may not ask for ever. */
	if (READ_ONCE(client->pending) >= HBAI_PENDING) {
		if (!may_wait)
			return -EAGAIN;
		error = wait_event_interruptible(client->wait, READ_ONCE(client->pending) < HBAI_PENDING || READ_ONCE(ai->gone));
		if (error)
			return error;
	}
	for (;;) {
		spin_lock_irq(&ai->lock);
		client->pending++;
		spin_unlock_irq(&ai->lock);
		error = hbai_submit(ai, request);
		if (!error)
			break;
		spin_lock_irq(&ai->lock);
		client->pending--;
		spin_unlock_irq(&ai->lock);
		if (error != -ENOSPC)
			return error;
		if (!may_wait)
			return -EAGAIN;
		error = wait_event_interruptible(ai->room, READ_ONCE(ai->gone) || virtqueue_get_vring_size(ai->queue) > 0);
		if (error)
			return error;
	}
	return 0;
}

/* The header has come: memory for the rest, and for the answer. */
static int hbai_begin(struct hbai_client *client)
{
	u32 length = get_unaligned_le32(client->header);
	u32 room = get_unaligned_le32(client->header + 16);
	struct hbai_request *request;
	size_t at = 0;

	if (length < HBAI_HEADER || length > client->ai->message_max)
		return -EINVAL;
	room = clamp_t(u32, room ? room : HBAI_ROOM, PAGE_SIZE, client->ai->message_max);
	request = hbai_make_request(client, length, room);
	if (!request)
		return -ENOMEM;
	while (at < HBAI_HEADER) {
		size_t part = HBAI_HEADER - at;
		void *to = hbai_at(&request->message, at, &part);

		memcpy(to, client->header + at, part);
		at += part;
	}
	client->request = request;
	return 0;
}

static ssize_t hbai_write(struct file *file, const char __user *data, size_t length, loff_t *offset)
{
	struct hbai_client *client = file->private_data;
	bool may_wait = !(file->f_flags & O_NONBLOCK);
	size_t done = 0;
	int error = mutex_lock_interruptible(&client->writing);

	if (error)
		return error;
	for (;;) {
		size_t part = length - done;
		void *to;

		/* Also what did not get through last time. */
		if (client->request && client->written == client->request->message.length) {
			error = hbai_send(client, client->request, may_wait);
			if (error)
				break;
			client->request = NULL;
			client->written = 0;
		}
		if (done == length)
			break;
		if (client->written < HBAI_HEADER) {
			part = min_t(size_t, part, HBAI_HEADER - client->written);
			to = client->header + client->written;
		} else {
			part = min_t(size_t, part, client->request->message.length - client->written);
			to = hbai_at(&client->request->message, client->written, &part);
		}
		if (copy_from_user(to, data + done, part)) {
			error = -EFAULT;
			break;
		}
		client->written += part;
		done += part;
		if (client->written == HBAI_HEADER && !client->request) {
			error = hbai_begin(client);
			if (error) {
				/* The header can be written again. */
				client->written = 0;
				break;
			}
		}
	}
	mutex_unlock(&client->writing);
	/* Bytes that were taken are taken: what failed behind them comes with the next call, unless nothing can come of them. */
	return done && (!error || error == -EAGAIN || error == -ERESTARTSYS) ? done : error;
}

/* The answer at the front, if there is one. */
static struct hbai_request *hbai_front(struct hbai_client *client)
{
	struct hbai_request *request;

	spin_lock_irq(&client->ai->lock);
	request = list_first_entry_or_null(&client->answers, struct hbai_request, list);
	spin_unlock_irq(&client->ai->lock);
	return request;
}

static ssize_t hbai_read(struct file *file, char __user *data, size_t length, loff_t *offset)
{
	struct hbai_client *client = file->private_data;
	struct hbai *ai = client->ai;
	struct hbai_request *request = NULL;
	ssize_t done = 0;
	int error = mutex_lock_interruptible(&client->reading);

	if (error)
		return error;
	if (!hbai_front(client)) {
		error = file->f_flags & O_NONBLOCK ? -EAGAIN : wait_event_interruptible(client->wait, hbai_front(client) || READ_ONCE(ai->gone));
		if (error)
			goto out;
	}
	while (done < length && (request = hbai_front(client))) {
		/* Of an answer in the window the header tells enough. */
		size_t whole = request->window ? min_t(size_t, HBAI_HEADER, request->length) : request->length;
		size_t part = min_t(size_t, length - done, whole - request->read);
		const void *from = hbai_at(&request->answer, request->read, &part);

		if (part && copy_to_user(data + done, from, part)) {
			error = -EFAULT;
			break;
		}
		request->read += part;
		done += part;
		if (request->read < whole)
			continue;
		spin_lock_irq(&ai->lock);
		list_del(&request->list);
		client->pending--;
		spin_unlock_irq(&ai->lock);
		hbai_keep_request(client, request);
		wake_up(&client->wait);
	}
out:
	mutex_unlock(&client->reading);
	return done ? done : error;
}

static __poll_t hbai_poll(struct file *file, poll_table *table)
{
	struct hbai_client *client = file->private_data;
	__poll_t events = 0;

	poll_wait(file, &client->wait, table);
	if (hbai_front(client))
		events |= EPOLLIN | EPOLLRDNORM;
	if (READ_ONCE(client->pending) < HBAI_PENDING)
		events |= EPOLLOUT | EPOLLWRNORM;
	if (READ_ONCE(client->ai->gone))
		events |= EPOLLHUP | EPOLLIN;
	return events;
}

static bool hbai_is_within(const struct hbai_window *window, u32 at, u32 length)
{
	return length >= HBAI_HEADER && at <= window->memory.size && length <= window->memory.size - at;
}

static struct hbai_request *hbai_request_in(struct hbai_client *client, struct hbai_window *window, const struct hbai_send *send)
{
	struct hbai_request *request;

	if (!window || !hbai_is_within(window, send->message, send->length) || !hbai_is_within(window, send->answer, send->room))
		return ERR_PTR(-EINVAL);
	request = hbai_make_empty(client);
	if (!request)
		return ERR_PTR(-ENOMEM);
	kref_get(&window->users);
	request->window = window;
	request->message = (struct hbai_span){ &window->memory, send->message, send->length };
	request->answer = (struct hbai_span){ &window->memory, send->answer, send->room };
	return request;
}

static long hbai_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	struct hbai_client *client = file->private_data;
	struct hbai_request *request;
	struct hbai_window *window;
	struct hbai_send send;
	int error;

	if (command != HBAI_SEND)
		return -ENOTTY;
	if (copy_from_user(&send, (void __user *)argument, sizeof(send)))
		return -EFAULT;
	spin_lock_irq(&client->ai->lock);
	window = client->window;
	if (window)
		kref_get(&window->users);
	spin_unlock_irq(&client->ai->lock);
	request = hbai_request_in(client, window, &send);
	hbai_put_window(window);
	if (IS_ERR(request))
		return PTR_ERR(request);
	error = mutex_lock_interruptible(&client->writing);
	if (!error) {
		error = hbai_send(client, request, !(file->f_flags & O_NONBLOCK));
		mutex_unlock(&client->writing);
	}
	if (error)
		hbai_free_request(request);
	return error;
}

static void hbai_vm_open(struct vm_area_struct *vma)
{
	struct hbai_window *window = vma->vm_private_data;

	kref_get(&window->users);
}

static void hbai_vm_close(struct vm_area_struct *vma)
{
	hbai_put_window(vma->vm_private_data);
}

static const struct vm_operations_struct hbai_vm_operations = {
	.open = hbai_vm_open,
	.close = hbai_vm_close,
};

/* New memory, in the place of what the program had before. */
static int hbai_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct hbai_client *client = file->private_data;
	size_t size = vma->vm_end - vma->vm_start;
	unsigned long address = vma->vm_start;
	struct hbai_window *window, *last;
	unsigned int i;
	int error;

	if (vma->vm_pgoff || !(vma->vm_flags & VM_SHARED) || size > 2 * (size_t)client->ai->message_max)
		return -EINVAL;
	window = kzalloc(sizeof(*window), GFP_KERNEL);
	if (!window)
		return -ENOMEM;
	kref_init(&window->users);
	error = hbai_allocate(&window->memory, size, __GFP_ZERO | __GFP_ACCOUNT);
	if (error) {
		kfree(window);
		return error;
	}
	for (i = 0; address < vma->vm_end; i++) {
		const struct hbai_piece *piece = &window->memory.pieces[i];
		size_t part = min_t(size_t, vma->vm_end - address, PAGE_SIZE << piece->order);

		error = remap_pfn_range(vma, address, page_to_pfn(piece->pages), part, vma->vm_page_prot);
		if (error) {
			/* Other threads may have found what is mapped already. */
			zap_vma_ptes(vma, vma->vm_start, size);
			hbai_put_window(window);
			return error;
		}
		address += part;
	}
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_ops = &hbai_vm_operations;
	vma->vm_private_data = window;
	kref_get(&window->users);
	spin_lock_irq(&client->ai->lock);
	last = client->window;
	client->window = window;
	spin_unlock_irq(&client->ai->lock);
	hbai_put_window(last);
	return 0;
}

static const struct file_operations hbai_operations = {
	.owner = THIS_MODULE,
	.open = hbai_open,
	.release = hbai_release,
	.read = hbai_read,
	.write = hbai_write,
	.poll = hbai_poll,
	.unlocked_ioctl = hbai_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = hbai_mmap,
};

static int hbai_probe(struct virtio_device *vdev)
{
	struct hbai *ai;
	u32 version;
	int error;

	virtio_cread_le(vdev, struct { __le32 version; }, version, &version);
	if (version != HBAI_VERSION) {
		dev_err(&vdev->dev, "the host speaks version %u of the messages, this module %u\n", version, HBAI_VERSION);
		return -ENODEV;
	}
	ai = kzalloc(sizeof(*ai), GFP_KERNEL);
	if (!ai)
		return -ENOMEM;
	kref_init(&ai->users);
	spin_lock_init(&ai->lock);
	init_waitqueue_head(&ai->room);
	ida_init(&ai->numbers);
	ai->vdev = vdev;
	vdev->priv = ai;
	ai->message_max = min_t(u32, virtio_cread32(vdev, 4), (u32)HBAI_PIECES << (PAGE_SHIFT + HBAI_ORDER));
	ai->clients_max = clamp_t(u32, virtio_cread32(vdev, 8), 1, 65536);
	ai->queue = virtio_find_single_vq(vdev, hbai_answered, "requests");
	if (IS_ERR(ai->queue)) {
		error = PTR_ERR(ai->queue);
		goto free;
	}
	virtio_device_ready(vdev);
	ai->misc.minor = MISC_DYNAMIC_MINOR;
	ai->misc.name = "hartbox-ai";
	ai->misc.mode = 0666;
	ai->misc.fops = &hbai_operations;
	ai->misc.parent = &vdev->dev;
	error = misc_register(&ai->misc);
	if (!error)
		return 0;
	virtio_reset_device(vdev);
	vdev->config->del_vqs(vdev);
free:
	kref_put(&ai->users, hbai_destroy);
	return error;
}

static void hbai_remove(struct virtio_device *vdev)
{
	struct hbai *ai = vdev->priv;
	struct hbai_request *request;

	misc_deregister(&ai->misc);
	spin_lock_irq(&ai->lock);
	ai->gone = true;
	spin_unlock_irq(&ai->lock);
	virtio_reset_device(vdev);
	/* What was asked is not answered any more: programs see the end. */
	while ((request = virtqueue_detach_unused_buf(ai->queue))) {
		wake_up_all(&request->client->wait);
		hbai_free_request(request);
	}
	wake_up_all(&ai->room);
	vdev->config->del_vqs(vdev);
	kref_put(&ai->users, hbai_destroy);
}

static const struct virtio_device_id hbai_ids[] = {
	{ VIRTIO_ID_HARTBOX_AI, VIRTIO_DEV_ANY_ID },
	{ 0 },
};
MODULE_DEVICE_TABLE(virtio, hbai_ids);

static struct virtio_driver hbai_driver = {
	.driver.name = "hartbox_ai",
	.id_table = hbai_ids,
	.probe = hbai_probe,
	.remove = hbai_remove,
};

static int __init hbai_init(void)
{
	return register_virtio_driver(&hbai_driver);
}
module_init(hbai_init);

static void __exit hbai_exit(void)
{
	unregister_virtio_driver(&hbai_driver);
	flush_work(&hbai_orphans_work);
}
module_exit(hbai_exit);

MODULE_DESCRIPTION("Inference by the host of a Hartbox box");
MODULE_AUTHOR("Hartbox developers");
MODULE_LICENSE("GPL");
