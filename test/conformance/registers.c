// Reads and writes the registers of a virt board in all sizes and says what came of it, a line for each access. M-mode, bare metal.
typedef unsigned char u8; typedef unsigned short u16; typedef unsigned int u32; typedef unsigned long u64;
static volatile u64 cause;
/* A line fits into what the port holds; who takes it may be behind. */
static void put(char c){ if(c=='\n') while(!(*(volatile u8*)0x10000005&0x20)); *(volatile u8*)0x10000000=c; }
static void puts(const char*s){ while(*s) put(*s++); }
static void hex(u64 v,int digits){ for(int i=4*(digits-1);i>=0;i-=4) put("0123456789abcdef"[(v>>i)&15]); }
__attribute__((interrupt("machine"),aligned(4))) static void trap(void){ u64 c,pc; asm volatile("csrr %0,mcause;csrr %1,mepc":"=r"(c),"=r"(pc)); cause=c+1; asm volatile("csrw mepc,%0"::"r"(pc+4)); }
#define ACCESS(T,l,s) static u64 read##T(u64 a){ u64 v=0; asm volatile(".option push\n.option norvc\n" l " %0,0(%1)\n.option pop":"+r"(v):"r"(a):"memory"); return v; } \
 static void write##T(u64 a,u64 v){ asm volatile(".option push\n.option norvc\n" s " %0,0(%1)\n.option pop"::"r"(v),"r"(a):"memory"); }
ACCESS(1,"lbu","sb") ACCESS(2,"lhu","sh") ACCESS(4,"lwu","sw") ACCESS(8,"ld","sd")
static u64 rd(u64 a,int n){ return n==1?read1(a):n==2?read2(a):n==4?read4(a):read8(a); }
static void wr(u64 a,int n,u64 v){ if(n==1)write1(a,v); else if(n==2)write2(a,v); else if(n==4)write4(a,v); else write8(a,v); }
static void look(char kind,u64 a,int n){
  cause=0; u64 v=rd(a,n); u64 c=cause;
  put(kind); put(' '); hex(a,8); put(' '); put('0'+n); put(' ');
  if(c){ puts("fault "); hex(c-1,2); } else hex(v,2*n);
  put('\n');
}
static void reads(u64 first,u64 bytes){ for(int n=1;n<=8;n*=2) for(u64 a=first;a<first+bytes;a+=n) look('r',a,n); }
/* Writes each pattern in a size and reads back what the registers there hold, in the size that they have. */
static void writes(u64 first,u64 bytes,int size,int own){
  static const u64 patterns[]={~0UL,0,0x5a5a5a5a5a5a5a5aUL};
  for(u64 a=first;a<first+bytes;a+=size) for(int p=0;p<3;p++){
    cause=0; wr(a,size,patterns[p]); u64 c=cause;
    puts("w "); hex(a,8); put(' '); put('0'+size); put(' '); hex(patterns[p]&255,2); if(c){ puts(" fault "); hex(c-1,2); } put('\n');
    for(u64 b=a&~(u64)(own-1);b<a+size;b+=own) look('b',b,own);
  }
}
static void all(u64 first,u64 bytes,int own){ for(int n=1;n<=8;n*=2) writes(first,bytes,n,own); }
void main(void){
  asm volatile("csrw mtvec,%0; csrw mie,x0"::"r"(trap));
  puts("clint\n"); reads(0x2000000,16); reads(0x2004000,16); all(0x2000000,8,4); all(0x2004000,8,4); reads(0x2003ff8,8); reads(0x200c000,8);
  puts("plic\n"); reads(0xc000000,16); reads(0xc00017c,16); reads(0xc001000,16); reads(0xc002000,16); reads(0xc002080,16); reads(0xc200000,16); reads(0xc201000,16);
  all(0xc000000,12,4); all(0xc00017c,8,4); all(0xc001000,8,4); all(0xc002000,16,4); all(0xc200000,4,4); reads(0xc200004,4);
  puts("uart\n"); for(int dlab=0;dlab<2;dlab++){ write1(0x10000003,dlab?0x83:3); for(int n=1;n<=8;n*=2) for(u64 a=0x10000000;a<0x10000008;a+=n) if(dlab||a!=0x10000000) look('r',a,n); } write1(0x10000003,3);
  reads(0x10000008,8);
  for(int r=1;r<8;r++) if(r!=2) { for(int p=0;p<3;p++){ static const u8 v[]={0xef,0,0x4a}; cause=0; write1(0x10000000+r,v[p]); u8 back=read1(0x10000000+r),iir=read1(0x10000002),lsr=read1(0x10000005),msr=read1(0x10000006); write1(0x10000003,3); write1(0x10000001,0); write1(0x10000004,0); puts("u "); put('0'+r); put(' '); hex(v[p],2); put(' '); hex(back,2); put(' '); hex(iir,2); put(' '); hex(lsr,2); put(' '); hex(msr,2); put('\n'); } }
  { write1(0x10000004,0x10); static const u8 f[]={0,1,7,0x81,0xc7}; for(int i=0;i<5;i++){ write1(0x10000002,f[i]); for(int k=0;k<20;k++) write1(0x10000000,'a'+k); u8 o[8]; o[0]=read1(0x10000005); o[1]=read1(0x10000002); int n=0; while((read1(0x10000005)&1)&&n<40){ o[2]=read1(0x10000000); n++; } o[3]=read1(0x10000005); o[4]=n; write1(0x10000002,0); write1(0x10000004,0); puts("l "); hex(f[i],2); for(int k=0;k<5;k++){ put(' '); hex(o[k],2); } put('\n'); write1(0x10000004,0x10); } write1(0x10000004,0); }
  puts("rtc\n"); for(int n=1;n<=8;n*=2) for(u64 a=0x101008;a<0x101030;a+=n) look('r',a,n); all(0x101008,8,4); all(0x101010,4,4); all(0x10101c,8,4);
  puts("finisher\n"); reads(0x100000,16); for(int n=1;n<=8;n*=2) for(u64 a=0x100000;a<0x100010;a+=n){ cause=0; wr(a,n,0x1111); puts("w "); hex(a,8); put(' '); put('0'+n); if(cause){ puts(" fault "); hex(cause-1,2); } put('\n'); }
  puts("fw_cfg\n"); for(int n=1;n<=8;n*=2){ for(u64 a=0x10100000;a<0x10100018;a+=n){ write2(0x10100008,0); look('r',a,n); } }
  for(int n=1;n<=8;n*=2) for(u64 a=0x10100008;a<0x10100018;a+=n){ cause=0; wr(a,n,0); puts("w "); hex(a,8); put(' '); put('0'+n); if(cause){ puts(" fault "); hex(cause-1,2); } put('\n'); }
  puts("pci\n"); reads(0x30000000,64); all(0x30000000,64,4); reads(0x30008000,16); reads(0x30100000,8); reads(0x3000000,8); reads(0x40000000,8);
  puts("virtio\n"); reads(0x10001000,0x110); all(0x10001000,0x110,4); puts("empty\n"); reads(0x10002000,0x110); all(0x10002014,8,4);
  puts("nothing\n"); reads(0x1fff00,8); reads(0x10009000,8); reads(0x8000000,8); all(0x1fff00,8,8);
  *(volatile u32*)0x100000=0x5555; for(;;);
}
