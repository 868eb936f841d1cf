"""Files that a person has put into a field of a page: Streamlit keeps them in memory until the page is closed."""

from __future__ import annotations

from streamlit.runtime import Runtime, exists
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile


def free(file: UploadedFile) -> None:
    """Let Streamlit forget its copy: what is needed of it was read. The field shows it as removed from the next run on."""
    context = get_script_run_ctx(suppress_warning=True)
    if context is None or not exists():
        return
    files = Runtime.instance().uploaded_file_mgr
    if isinstance(files, MemoryUploadedFileManager):
        files.remove_file(context.session_id, file.file_id)
