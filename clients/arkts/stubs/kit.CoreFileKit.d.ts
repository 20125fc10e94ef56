/** What the adapters use of the Core File Kit, written from its documentation. */
export namespace fileIo {
  enum OpenMode { READ_WRITE = 2, CREATE = 64 }
  interface File { fd: number; lock(exclusive?: boolean): Promise<void>; unlock(): void; }
  function open(path: string, mode?: number): Promise<File>;
  function close(file: File): Promise<void>;
  function access(path: string): Promise<boolean>;
  function readText(path: string): Promise<string>;
  function write(fd: number, buffer: string): Promise<number>;
  function truncate(fd: number, len?: number): Promise<void>;
  function fsync(fd: number): Promise<void>;
  function rename(oldPath: string, newPath: string): Promise<void>;
}
