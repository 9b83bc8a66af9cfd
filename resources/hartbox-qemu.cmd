@rem `hartbox qemu` in one word.
@"%~dp0hartbox.cmd" qemu %*
