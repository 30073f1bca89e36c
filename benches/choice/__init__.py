"""Is the verdict of `nalsil compare` right? Works measured exhaustively, beside what it says."""
