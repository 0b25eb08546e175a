import subprocess
import sys


def test_the_room_opens_without_its_libraries():
    code = (
        "import sys, xpci_utils.sam as room; assert 'build_sam' in dir(room); "
        "assert not {'torch', 'timm', 'segment_anything'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
